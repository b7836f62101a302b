// kernels/api on the tensors of training: split over torch's threads on the CPU, on the current
// stream on CUDA. Tensors of one call live on one device. Throws as torch does.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "worker/algo/grid.h"

namespace rondo {

// A linear layer whose decisions are rows of a codebook.
struct CodebookTensors {
  at::Tensor base;   // [out, in] uint8, RoundingVariables::base
  at::Tensor codes;  // [out * in / dim] uint16
  Grid grid;
  // Blocks in order of their code, and where each code begins: [blocks], [K + 1] int32. On CUDA.
  at::Tensor blocks_by_code, code_begin;
};

// Adds what CUDA needs to `layer`, whose codes are below `rows`.
void IndexByCode(int64_t rows, CodebookTensors* layer);

// rounding: [K, dim] float32 -> [out, in] in `dtype` (float32 or bfloat16).
at::Tensor CodebookWeight(const CodebookTensors& layer, const at::Tensor& rounding,
                          at::ScalarType dtype);

// Adds the gradient of each row of the codebook to sum, [K, dim] float32. dw: [out, in],
// contiguous, float32 or bfloat16; rounding: h of the codebook.
void AddCodebookGradient(const CodebookTensors& layer, const at::Tensor& rounding,
                         const at::Tensor& dw, const at::Tensor& sum);

// Overwrites `student` [rows, vocab] by the gradient of the divergence from `teacher`, of the same
// dtype; returns its sum over rows.
double DistillRows(const at::Tensor& teacher, const at::Tensor& student, double temperature);

// The step of variables [K, dim] float32 (kernels/api/rounding_step.h).
struct RoundingGradientTensors {
  at::Tensor alpha, uses, sum;
  at::Tensor gradient;  // out; may be sum
  bool saturate = true;
  double weight = 0;
  double beta = 2;
};
// Returns the value of the regulariser, without its weight, as a double on the device; 0 where the
// weight is 0.
at::Tensor FindRoundingGradient(const RoundingGradientTensors& args);

// All contiguous float32 of one shape.
void RunAdam(const at::Tensor& value, const at::Tensor& gradient, const at::Tensor& mean,
             const at::Tensor& variance, double rate, double spread);

}  // namespace rondo
