// The operations of kernels/api/rounding_step.h over 16 lanes of variables.
#pragma once

#include "kernels/cpu/elementwise-inl.h"
#include "kernels/reference/rounding_step.h"

namespace rondo::kernels::cpu {

template <typename Ops>
void FindRoundingGradient(const RoundingGradient& args) {
  for (int64_t begin = 0; begin < args.count; begin += kRoundingChunk) {
    const int64_t left = args.count - begin;
    auto sums = Ops::Set1(0.0f);
    ForColumns(
        left < kRoundingChunk ? left : kRoundingChunk, [&](int64_t at, int64_t n) __attribute__((
                                                           always_inline)) {
          const int64_t i = begin + at;
          typename Ops::F value;
          // Lanes past n have no uses.
          const auto gradient =
              GradientOfAlpha<Ops>(Ops::LoadN(args.alpha + i, n), Ops::LoadN(args.uses + i, n),
                                   Ops::LoadN(args.sum + i, n), args, &value);
          Ops::StoreN(args.gradient + i, gradient, n);
          sums = Ops::Add(sums, value);
        });
    args.regulariser[begin / kRoundingChunk] = SumLanes<Ops>(sums);
  }
}

template <typename Ops>
void RunAdam(const Adam& args) {
  ForColumns(
      args.count, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        auto mean = Ops::LoadN(args.mean + i, n), variance = Ops::LoadN(args.variance + i, n);
        const auto value = AdamValue<Ops>(Ops::LoadN(args.value + i, n),
                                          Ops::LoadN(args.gradient + i, n), args, &mean, &variance);
        Ops::StoreN(args.mean + i, mean, n);
        Ops::StoreN(args.variance + i, variance, n);
        Ops::StoreN(args.value + i, value, n);
      });
}

}  // namespace rondo::kernels::cpu
