// The operations of kernels/api/quantize.h over 16 lanes of columns. Lanes past the end of a group
// hold zeros, which every grid represents exactly: they change neither a range nor an error.
#pragma once

#include "kernels/api/quantize.h"
#include "kernels/reference/power.h"

namespace rondo::kernels::cpu {

inline constexpr int64_t kLanes = 16;

// The order of kErrorSums.
template <typename Ops>
float SumLanes(typename Ops::F sums) {
  float lanes[kErrorSums];
  Ops::Store(lanes, sums);
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

template <typename Ops>
struct LaneGrid {
  using F = typename Ops::F;
  F scale, zero_point, maxq;

  LaneGrid(float s, float z, int q)
      : scale(Ops::Set1(s)), zero_point(Ops::Set1(z)), maxq(Ops::Set1(static_cast<float>(q))) {}
  F Code(F w) const {
    const F code = Ops::Add(Ops::Rint(Ops::Div(w, scale)), zero_point);
    return Ops::Min(Ops::Max(code, Ops::Set1(0.0f)), maxq);
  }
  F Value(F code) const { return Ops::Mul(scale, Ops::Sub(code, zero_point)); }
};

template <typename Ops>
struct GroupFit {
  using F = typename Ops::F;
  const float* w;
  int64_t cols;
  const FitOptions& options;
  float low = 0.0f, high = 0.0f;          // the range
  float scale = 0.0f, zero_point = 0.0f;  // the result

  void FindRange() {
    F lows = Ops::Set1(0.0f), highs = Ops::Set1(0.0f);
    for (int64_t j = 0; j < cols; j += kLanes) {
      const F v = j + kLanes <= cols ? Ops::Load(w + j) : Ops::LoadN(w + j, cols - j);
      lows = Ops::Min(lows, v);
      highs = Ops::Max(highs, v);
    }
    float low_lanes[kLanes], high_lanes[kLanes];
    Ops::Store(low_lanes, lows);
    Ops::Store(high_lanes, highs);
    for (int64_t l = 0; l < kLanes; ++l) {
      low = low_lanes[l] < low ? low_lanes[l] : low;
      high = high_lanes[l] > high ? high_lanes[l] : high;
    }
    if (options.symmetric) {
      high = -low > high ? -low : high;
      low = -high;
    }
    if ((high - low) / static_cast<float>(options.maxq) < kLeastScale) {
      low = -1.0f;
      high = 1.0f;
    }
  }

  void SetGrid(float p, float* s, float* z) const {
    *s = (p * high - p * low) / static_cast<float>(options.maxq);
    const int middle = (options.maxq + 1) / 2;
    *z = low == -high ? static_cast<float>(middle) : __builtin_rintf(-(p * low) / *s) + 0.0f;
  }

  float Error(float s, float z) const {
    const LaneGrid<Ops> grid(s, z, options.maxq);
    F sums = Ops::Set1(0.0f);
    for (int64_t j = 0; j < cols; j += kLanes) {
      const F v = j + kLanes <= cols ? Ops::Load(w + j) : Ops::LoadN(w + j, cols - j);
      sums = Ops::Add(sums, Power24<Ops>(Ops::Abs(Ops::Sub(grid.Value(grid.Code(v)), v))));
    }
    return SumLanes<Ops>(sums);
  }

  void Run() {
    FindRange();
    if (!options.mse) return SetGrid(1.0f, &scale, &zero_point);
    float least = __builtin_inff();
    for (int i = 0; i < kShrinkSteps; ++i) {
      float s, z;
      SetGrid(static_cast<float>(100 - i) / 100.0f, &s, &z);
      const float error = Error(s, z);
      if (error >= least) continue;
      least = error;
      scale = s;
      zero_point = z;
    }
  }
};

template <typename Ops>
void FitGrid(Matrix<const float> w, const FitOptions& options, float* scale, float* zero_point) {
  const int64_t groups = (w.cols + options.group_size - 1) / options.group_size;
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * options.group_size;
      const int64_t left = w.cols - begin;
      GroupFit<Ops> fit = {w.data + r * w.stride + begin,
                           left < options.group_size ? left : options.group_size, options};
      fit.Run();
      scale[r * groups + g] = fit.scale;
      zero_point[r * groups + g] = fit.zero_point;
    }
  }
}

// Calls step(row, first column, count <= 16, lane grid) along each group of each row.
template <typename Ops, typename Step>
void ForLanes(int64_t rows, int64_t cols, const GridView& grid, Step step) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t begin = 0, g = r * grid.groups; begin < cols; begin += grid.group_size, ++g) {
      const int64_t end = cols - begin < grid.group_size ? cols : begin + grid.group_size;
      const LaneGrid<Ops> lanes(grid.scale[g], grid.zero_point[g], grid.maxq);
      int64_t j = begin;
      for (; j + kLanes <= end; j += kLanes) step(r, j, kLanes, lanes);
      if (j < end) step(r, j, end - j, lanes);
    }
  }
}

template <typename Ops>
void Quantize(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes) {
  ForLanes<Ops>(
      w.rows, w.cols, grid,
      [&](int64_t r, int64_t j, int64_t n, const LaneGrid<Ops>& lanes)
          __attribute__((always_inline)) {
            const auto v = Ops::LoadN(w.data + r * w.stride + j, n);
            Ops::StoreCodesN(codes.data + r * codes.stride + j, lanes.Code(v), n);
          });
}

template <typename Ops>
void Dequantize(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out) {
  ForLanes<Ops>(
      codes.rows, codes.cols, grid,
      [&](int64_t r, int64_t j, int64_t n, const LaneGrid<Ops>& lanes)
          __attribute__((always_inline)) {
            const auto code = Ops::LoadCodesN(codes.data + r * codes.stride + j, n);
            Ops::StoreN(out.data + r * out.stride + j, lanes.Value(code), n);
          });
}

}  // namespace rondo::kernels::cpu
