// Distillation at temperature T, row by row (docs/algorithms.md 5.3): p = softmax(teacher / T), q =
// softmax(student / T); loss[row] = T^2 * sum p (log p - log q), and the student's logits are
// overwritten by d loss / d student = T * (q - p). Rows are independent; every backend gives the
// same bits. No allocation, no state. A logit that is not finite makes the loss NaN; the loss of
// equal rows is 0 up to rounding (1e-6), of either sign.
//
// In steps: u = (teacher - max) * (1 / T), v = (student - max) * (1 / T), a = exp(u), b = exp(v)
// with the exponential of kernels/reference/exp.h; A = sum a, B = sum b, C = sum a (u - v) by fused
// multiply-adds; loss = T^2 (C / A + log(B / A)) in double precision with the logarithm of
// kernels/reference/log.h; gradient = b (T / B) - a (T / A), the second product fused, where T / B
// and T / A are rounded to float32. Sums: see kDistillChunk.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

// Column j of a chunk of so many columns adds to the chunk's float32 sum j % kErrorSums; these add
// to kErrorSums double sums, chunk by chunk; at the end sum l takes sum l + 8, l + 4, l + 2, l + 1.
inline constexpr int64_t kDistillChunk = 512;

// teacher, student: [rows, vocab], float or the bits of a bfloat16; loss: [rows]; vocab > 0.
template <typename T>
using DistillFn = void(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss);

}  // namespace rondo::kernels
