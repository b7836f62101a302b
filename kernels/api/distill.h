// Distillation at temperature T, row by row (docs/algorithms.md 5.3): p = softmax(teacher / T), q =
// softmax(student / T); loss[row] = T^2 * sum p (log p - log q), and the student's logits are
// overwritten by d loss / d student = T * (q - p). Rows are independent; exponentials are those of
// kernels/api/elementwise.h, sums go as in kernels/api/quantize.h (kErrorSums), so every backend
// gives the same bits. No allocation, no state.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

// teacher, student: [rows, vocab], float or the bits of a bfloat16; loss: [rows].
template <typename T>
using DistillFn = void(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss);

}  // namespace rondo::kernels
