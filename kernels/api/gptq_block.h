// The serial part of GPTQ inside one block of columns (docs/algorithms.md 3.2, 3.3): for j =
// 0..cols-1
//   code_j = clamp(rint(t_j / s) + z, 0, maxq);  Q_j = s * (code_j - z);  e_j = w_j - Q_j
//   sum += pivot_j * (t_j - Q_j)^2 in double;    t_k = fma(e_j, feedback[j][k], t_k) for k > j
// and at the end loss += sum. Rows are independent. The fused multiply-add is part of the
// definition, so every backend gives the same bits. No allocation beyond a fixed stack buffer, no
// state.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

inline constexpr int64_t kMaxGptqBlock = 256;  // columns

struct GptqBlock {
  Matrix<const float> target;         // t: [rows, cols], the running weights of the block
  Matrix<const float> weight;         // w: [rows, cols], the original ones
  Matrix<const float> feedback;       // [cols, cols], only k > j is read
  const float* pivots = nullptr;      // [cols]
  const float* scale = nullptr;       // [rows, groups]
  const float* zero_point = nullptr;  // [rows, groups]
  int64_t groups = 1;
  const int32_t* group_of_column = nullptr;  // [cols], indices into groups
  int maxq = 15;
  Matrix<uint8_t> codes;   // out: [rows, cols]
  Matrix<float> error;     // out, e: [rows, cols]
  double* loss = nullptr;  // out, added to: [rows]
};

using GptqBlockFn = void(const GptqBlock& block);

}  // namespace rondo::kernels
