// The nearest centres of several points at a time: lanes are centres, each lane keeps the least it
// has seen and where (as a number of 16 centres, exact in a float up to 2^24).
#pragma once

#include "kernels/api/codebook.h"
#include "kernels/cpu/quantize-inl.h"

namespace rondo::kernels::cpu {

template <typename Ops>
struct L2 {
  using F = typename Ops::F;
  static F Start(const Nearest& args, int64_t k) { return Ops::Load(args.half_norms + k); }
  static F Step(F x, F c, F sum) { return Ops::FnMadd(x, c, sum); }
  static float Distance(float least, const float* x, int64_t dim) {
    float norm = 0.0f;
    for (int64_t d = 0; d < dim; ++d) norm = __builtin_fmaf(x[d], x[d], norm);
    const float distance = 2.0f * least + norm;
    return distance > 0.0f ? distance : 0.0f;
  }
};

template <typename Ops>
struct Linf {
  using F = typename Ops::F;
  // Infinity in the lanes past the last centre.
  static F Start(const Nearest& args, int64_t k) {
    if (k + kLanes <= args.centre_count) return Ops::Set1(0.0f);
    float lanes[kLanes];
    for (int64_t l = 0; l < kLanes; ++l) {
      lanes[l] = k + l < args.centre_count ? 0.0f : __builtin_inff();
    }
    return Ops::Load(lanes);
  }
  static F Step(F x, F c, F most) { return Ops::MaxAbs(Ops::Sub(x, c), most); }
  static float Distance(float least, const float*, int64_t) { return least; }
};

template <typename Ops, template <typename> typename Metric, int kPoints>
struct NearestPoints {
  using F = typename Ops::F;
  const Nearest& args;
  int64_t first;
  F least[kPoints], at[kPoints];

  // Centres [k, k + 16 kVectors).
  template <int kVectors, int kDim>
  inline __attribute__((always_inline)) void Visit(int64_t k) {
    const int64_t dim = kDim > 0 ? kDim : args.dim;
    const float* x = args.points + first * dim;
    F sums[kVectors][kPoints];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const F start = Metric<Ops>::Start(args, k + v * kLanes);
#pragma GCC unroll 8
      for (int p = 0; p < kPoints; ++p) sums[v][p] = start;
    }
#pragma GCC unroll 8
    for (int64_t d = 0; d < dim; ++d) {
      F c[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        c[v] = Ops::Load(args.centres + d * args.stride + k + v * kLanes);
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPoints; ++p) {
        const F point = Ops::Set1(x[p * dim + d]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
          sums[v][p] = Metric<Ops>::Step(point, c[v], sums[v][p]);
        }
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int64_t number = k / kLanes + v;
      const F here = Ops::Set1(static_cast<float>(number));
#pragma GCC unroll 8
      for (int p = 0; p < kPoints; ++p) Ops::KeepLess(sums[v][p], here, &least[p], &at[p]);
    }
  }

  void Finish(int p) {
    float values[kLanes], chunks[kLanes];
    Ops::Store(values, least[p]);
    Ops::Store(chunks, at[p]);
    float best = __builtin_inff();
    int64_t index = 0;
    for (int64_t l = 0; l < kLanes; ++l) {
      const int64_t k = static_cast<int64_t>(chunks[l]) * kLanes + l;
      if (values[l] < best || (values[l] == best && k < index)) {
        best = values[l];
        index = k;
      }
    }
    args.index[first + p] = static_cast<int32_t>(index);
    args.distance[first + p] =
        Metric<Ops>::Distance(best, args.points + (first + p) * args.dim, args.dim);
  }

  template <int kDim>
  void Run() {
#pragma GCC unroll 8
    for (int p = 0; p < kPoints; ++p) {
      least[p] = Ops::Set1(__builtin_inff());
      at[p] = Ops::Set1(0.0f);
    }
    constexpr int kVectors = Ops::kNearestVectors;
    int64_t k = 0;
    for (; k + kVectors * kLanes <= args.stride; k += kVectors * kLanes) {
      Visit<kVectors, kDim>(k);
    }
    for (; k < args.stride; k += kLanes) Visit<1, kDim>(k);
    for (int p = 0; p < kPoints; ++p) Finish(p);
  }
};

template <typename Ops, template <typename> typename Metric, int kDim>
void NearestOf(const Nearest& args) {
  constexpr int kPoints = Ops::kNearestPoints;
  int64_t i = 0;
  for (; i + kPoints <= args.count; i += kPoints) {
    NearestPoints<Ops, Metric, kPoints>{args, i}.template Run<kDim>();
  }
  for (; i < args.count; ++i) NearestPoints<Ops, Metric, 1>{args, i}.template Run<kDim>();
}

template <typename Ops, template <typename> typename Metric>
void NearestBy(const Nearest& args) {
  args.dim == 8 ? NearestOf<Ops, Metric, 8>(args) : NearestOf<Ops, Metric, 0>(args);
}

}  // namespace rondo::kernels::cpu
