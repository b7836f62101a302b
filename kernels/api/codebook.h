// Linear layers whose rounding decisions are rows of a small codebook (VQRound, docs/algorithms.md
// 5.1, 5.4). Weight j of a row: scale * (clamp(base + r, 0, maxq) - zero_point), where r is the
// entry of the weight's block in `rounding` (h(codebook), or the hard decision 0 / 1).
//
// Weights in row-major order are cut into blocks of `dim`; cols % dim == 0, so no block crosses a
// row when a layer is passed whole; group_size may cut through a block. Rows are independent in
// DequantizeCodebook. No allocation, no state; every backend gives the same bits. Inputs are
// finite, products below 1e37 in magnitude.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

inline constexpr int64_t kMaxCodebookDim = 16;
// base is stored with this added: floor(w / scale) + zero_point clipped to [-2, maxq + 1] is exact
// for weights and gradients (docs/algorithms.md 5.6). A byte has no room for that on 8 bits, where
// base is within [0, maxq - 1].
constexpr int BaseOffset(int maxq) { return maxq < 255 ? 2 : 0; }

struct CodebookView {
  Matrix<const uint8_t> base;       // [rows, cols]
  int base_offset = 2;              // BaseOffset(grid.maxq)
  const uint16_t* codes = nullptr;  // [rows * cols / dim]; base.stride == cols is REQUIRED
  const float* rounding = nullptr;  // [K, dim], within [0, 1]
  int64_t dim = 8;                  // 1..kMaxCodebookDim; 8 is the fast one (see below)
  GridView grid;                    // of these rows
};
// dim == 8 is fast where cols and group_size are multiples of 8; the rest runs the plain loops.

// out: [rows, cols]; T float, or uint16_t for the bits of a bfloat16 (rounded half to even).
template <typename T>
using DequantizeCodebookFn = void(const CodebookView& layer, Matrix<T> out);

// sum[code][d] += dw * scale for every weight with 0 <= base + r <= maxq (the float32 sum), in
// row-major order, as fused multiply-add fma(dw, scale, sum); the other weights leave it alone. dw:
// [rows, cols], the gradient with respect to the weights (T as above); sum: [K, dim]. Callers that
// split rows give each part its own sum and add the parts in a fixed order.
template <typename T>
using CodebookGradientFn = void(const CodebookView& layer, Matrix<const T> dw, float* sum);

// The nearest centre of each point; ties go to the lowest index.
struct Nearest {
  const float* points = nullptr;  // [count, dim]
  int64_t count = 0;
  const float* centres = nullptr;  // [dim, stride]: centre k is column k
  int64_t stride = 0;              // a multiple of 16, >= centre_count
  int64_t centre_count = 0;        // 1..2^24
  // L2 only: |c|^2 / 2 of each centre, [stride]; +infinity beyond centre_count.
  const float* half_norms = nullptr;
  int64_t dim = 8;            // 1..kMaxCodebookDim; 8 is the fast one
  int32_t* index = nullptr;   // out: [count]
  float* distance = nullptr;  // out: [count]; squared Euclidean (at least 0), or largest element
};
// By half_norms[k] - x . c_k, the dot product in order of d with fused multiply-adds
// fma(-x_d, c_kd, sum), from half_norms[k]; distance = max(0, 2 * least + |x|^2), |x|^2 in order of
// d with fused multiply-adds from 0.
using NearestL2Fn = void(const Nearest& args);
// By max_d |x_d - c_kd|.
using NearestLinfFn = void(const Nearest& args);

}  // namespace rondo::kernels
