// One variable of kernels/api/rounding_step.h in the operations of a number type Ops (power.h).
#pragma once

#include "kernels/api/rounding_step.h"
#include "kernels/reference/exp.h"

namespace rondo::kernels {

// log(x) for x in [0, 1], within 3e-7 |log x|; about -88 for 0. x = 2^n m, m in [0.75, 1.5); log m
// = 2 artanh(s), s = (m - 1) / (m + 1), |s| <= 0.2, by its series to s^9 (remainder 4e-9).
template <typename Ops>
RONDO_KERNEL_INLINE typename Ops::F LogOfShare(typename Ops::F x) {
  using F = typename Ops::F;
  const F one = Ops::Set1(1.0f), minus = Ops::Set1(-1.0f);
  // The bits of x as its logarithm are linear between powers of two.
  const F n = Ops::Rint(Ops::Fma(Ops::FloatOfBits(x), Ops::Set1(0x1p-23f), Ops::Set1(-127.0f)));
  const F m = Ops::Scale(x, Ops::Mul(minus, n));
  const F s = Ops::Div(Ops::Add(m, minus), Ops::Add(m, one));
  const F square = Ops::Mul(s, s);
  constexpr float kTerms[] = {1.0f / 7, 1.0f / 5, 1.0f / 3, 1.0f};
  F series = Ops::Set1(1.0f / 9);
  for (float term : kTerms) {
    series = Ops::Fma(series, square, Ops::Set1(term));
  }
  return Ops::Fma(n, Ops::Set1(0x1.62e43p-1f), Ops::Mul(Ops::Add(s, s), series));
}

// `value`: what the variable adds to the regulariser.
template <typename Ops>
RONDO_KERNEL_INLINE typename Ops::F GradientOfAlpha(typename Ops::F alpha, typename Ops::F uses,
                                                    typename Ops::F sum,
                                                    const RoundingGradient& args,
                                                    typename Ops::F* value) {
  using F = typename Ops::F;
  const F zero = Ops::Set1(0.0f), one = Ops::Set1(1.0f);
  const F sigma = Ops::Div(one, Ops::Add(one, Exp<Ops>(Ops::Mul(Ops::Set1(-1.0f), alpha))));
  const F stretched = Ops::Fma(sigma, Ops::Set1(1.2f), Ops::Set1(-0.1f));
  const F slope = Ops::Mul(Ops::Mul(Ops::Sub(one, sigma), sigma), Ops::Set1(1.2f));
  const F inside = Ops::Keep(slope, Ops::Inside(stretched, zero, one));
  const F gradient = Ops::Mul(sum, args.saturate ? inside : slope);
  *value = zero;
  if (args.weight == 0) return gradient;
  const F h = Ops::Min(Ops::Max(stretched, zero), one);
  const F d = Ops::Fma(h, Ops::Set1(2.0f), Ops::Set1(-1.0f));
  // |d|^(beta - 2)
  const F power = Exp<Ops>(Ops::Mul(Ops::Set1(args.beta - 2.0f), LogOfShare<Ops>(Ops::Abs(d))));
  *value = Ops::Mul(uses, Ops::FnMadd(Ops::Mul(d, d), power, one));
  const F outer = Ops::Mul(Ops::Mul(Ops::Set1(-2.0f * args.beta), d), power);
  return Ops::Fma(Ops::Mul(Ops::Set1(args.weight), uses), Ops::Mul(outer, inside), gradient);
}

// Updates mean and variance; returns the new value.
template <typename Ops>
RONDO_KERNEL_INLINE typename Ops::F AdamValue(typename Ops::F value, typename Ops::F gradient,
                                              const Adam& args, typename Ops::F* mean,
                                              typename Ops::F* variance) {
  using F = typename Ops::F;
  const F rest = Ops::Mul(Ops::Set1(1.0f - kAdamBeta1), gradient);
  const F square = Ops::Mul(Ops::Mul(Ops::Set1(1.0f - kAdamBeta2), gradient), gradient);
  *mean = Ops::Fma(Ops::Set1(kAdamBeta1), *mean, rest);
  *variance = Ops::Fma(Ops::Set1(kAdamBeta2), *variance, square);
  const F deviation =
      Ops::Fma(Ops::Sqrt(*variance), Ops::Set1(args.spread), Ops::Set1(kAdamEpsilon));
  return Ops::FnMadd(Ops::Set1(args.rate), Ops::Div(*mean, deviation), value);
}

}  // namespace rondo::kernels
