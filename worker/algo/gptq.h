// GPTQ (arXiv 2210.17323) in its LDLQ form (docs/algorithms.md 3.3): with H_d = V D V^T, V unit
// upper triangular, t_j = w_j + sum_{i<j} (w_i - Q_i) V_ij, q_j = code(t_j). Bit-equal to the
// reference's form with the inverse, for a third of its factorisation. Rows are independent.
//
// Functions of tensors; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/algo/grid.h"

namespace rondo {

// The second-moment matrix of a linear's input, H = X^T X (any positive scale), summed over
// micro-batches in the order they come. Only the lower triangle is computed, by blocks of rows.
// Memory: in^2 float32, allocated by the first Add.
class HessianAccumulator {
 public:
  HessianAccumulator(int64_t in, at::Device device) : in_(in), device_(device) {}
  // x: [tokens, in], float32, bfloat16 or float16; sums are in float32. INVALID_ARGUMENT for
  // another shape, FAILED_PRECONDITION (Take) when nothing was added.
  absl::Status Add(const at::Tensor& x);
  // The full symmetric matrix, float32; the accumulator is empty afterwards.
  absl::StatusOr<at::Tensor> Take();
  int64_t tokens() const { return tokens_; }

 private:
  int64_t in_;
  at::Device device_;
  at::Tensor sum_;  // [in, in]; undefined: zero
  int64_t tokens_ = 0;
};

struct GptqOptions {
  GridOptions grid;
  double percdamp = 0.01;
  // Columns in order of falling diagonal of H; group parameters are then those of the original
  // columns, fixed up front ("static"), so groups stay contiguous.
  bool act_order = false;
  int64_t block_size = 128;
  bool keep_target = false;  // fill GptqResult::target
};

// What linears that share an input share: order of columns, damped factor.
struct GptqFactor {
  at::Tensor permutation;  // [in] int64; column j of the solve is column permutation[j]; undefined
                           // without act_order
  at::Tensor feedback;     // V, [in, in] float32, unit upper triangular, permuted order
  at::Tensor pivots;       // D, [in] float32
  at::Tensor dead;         // [in] bool: inputs that were always zero
  double percdamp_used = 0;  // larger than asked for when H was not positive definite
};

// Factors H (float64 inside). A factorisation that fails is tried again with ten times the damping,
// up to 1.0; then FAILED_PRECONDITION. INVALID_ARGUMENT when H holds NaN or Inf.
// The scale of H is irrelevant.
absl::StatusOr<GptqFactor> FactorHessian(const at::Tensor& h, const GptqOptions& options);

struct GptqResult {
  QuantizedLinear linear;
  double objective = 0;       // tr(E H_d E^T)
  double relative_error = 0;  // objective / tr(W H_d W^T)
  // [out, in] float32: the weights t at the time of their decision; undefined unless kept. May
  // differ from what was rounded in its last bits.
  at::Tensor target;
};

// w: [out, in] float32. INVALID_ARGUMENT when it holds NaN or Inf.
absl::StatusOr<GptqResult> Gptq(const at::Tensor& w, const GptqFactor& factor,
                                const GptqOptions& options);

// (target - value) / U_jj of the inverse form (docs/algorithms.md 3.2, 5.2), [out, in]: in the
// units of the weights times those of the Hessian's root, so it depends on the Hessian's scale.
// `hessian_scale`: of the wanted Hessian by the factored one; the paper's code has (2 / sequences)
// X^T X. REQUIRES: result has its target.
absl::StatusOr<at::Tensor> GptqPush(const GptqResult& result, const GptqFactor& factor,
                                    double hessian_scale);

}  // namespace rondo
