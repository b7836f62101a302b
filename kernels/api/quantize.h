// Elementwise operations on uniform grids. value = scale * (code - zero_point); code = clamp(rint(w
// / scale) + zero_point, 0, maxq), rint half to even, a real division, float32 throughout.
//
// All functions take plain pointers with row strides, allocate nothing, touch only the rows they
// are given and keep no state, so callers split rows over threads. Every backend gives the same
// bits: the order of each sum and each fused multiply-add is part of the definition. scale,
// zero_point: [rows, groups] with stride `groups`; column j belongs to group j / group_size; zero
// points are whole numbers. Inputs are finite and below 1e37 in magnitude.
#pragma once

#include <cstdint>

namespace rondo::kernels {

struct GridView {
  const float* scale = nullptr;
  const float* zero_point = nullptr;
  int64_t groups = 1;
  int64_t group_size = 1;
  int maxq = 15;  // 1..255
};

template <typename T>
struct Matrix {  // row-major
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // elements between rows
};

struct FitOptions {
  int64_t group_size = 1;  // > 0; the last group of a row may be short
  int maxq = 15;
  bool symmetric = false;
  bool mse = false;  // shrink search: 80 steps of 1 %, sum |Q - w|^2.4, strict improvement
};

inline constexpr int kShrinkSteps = 80;
// Partial sums of the shrink search: column j of a group adds to sum j % 16, then sum l takes sum
// l + 8, l + 4, l + 2, l + 1.
inline constexpr int kErrorSums = 16;
// A step below this makes a range empty: it becomes [-1, 1] (docs/algorithms.md 1.3, denormals).
inline constexpr float kLeastScale = 0x1p-120f;

// w: [rows, cols] -> scale, zero_point: [rows, ceil(cols / group_size)] (docs/algorithms.md 1.1;
// symmetric always makes the range symmetric). The zero point of a range [-a, a] is (maxq + 1) / 2.
using FitGridFn = void(Matrix<const float> w, const FitOptions& options, float* scale,
                       float* zero_point);
// w: [rows, cols] -> codes: [rows, cols].
using QuantizeFn = void(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes);
// codes: [rows, cols] -> out: [rows, cols].
using DequantizeFn = void(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out);

}  // namespace rondo::kernels
