// Decisions (up or down) of linear layers as trained variables (docs/algorithms.md, sections 4 and
// 5): a codebook's rows (VQRound), one a weight (AdaRound), or a low-rank change of the start
// (LoRA-rounding). A weight is scale * (clamp(base + r, 0, maxq) - zero_point), where r is h(alpha)
// (soft) or the decision alpha >= 0 (hard).
//
// A step: SetForward() on every Variables; Weight() and AddGradient() on the linears, any number of
// times; FinishStep() on every Variables. Thread-compatible. Nothing here records gradients.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/algo/clustering.h"
#include "worker/algo/rounding_start.h"
#include "worker/train/parameters.h"

namespace rondo {

// Of the regulariser weight * sum (1 - |2h - 1|^beta) over all weights; weight 0: none.
struct Regulariser {
  double weight = 0;
  double beta = 2;
};

// Where h is within 0.05 of 0 or 1.
at::Tensor IsDecided(const at::Tensor& h);

// What one or several linears train.
class Variables {
 public:
  virtual ~Variables() = default;
  // hard: the forward pass takes decisions, and saturated variables still get a gradient.
  virtual void SetForward(bool hard) = 0;
  // Sums of dL/dr since the last step, which replicas of this stage add up in place.
  virtual at::Tensor gradient_sum() = 0;
  // Turns the sums into gradients of the parameters and adds the regulariser's; returns the value
  // of the latter, without its weight, as a double on the device.
  virtual at::Tensor FinishStep(const Regulariser& regulariser) = 0;
  // Weights whose h IsDecided().
  virtual int64_t Decided() const = 0;
  virtual std::vector<Parameter>& parameters() = 0;
};

// One linear layer, whose variables may be shared.
class RoundedLinear {
 public:
  RoundedLinear(at::Tensor base, Grid grid) : base_(std::move(base)), grid_(std::move(grid)) {}
  virtual ~RoundedLinear() = default;
  // [out, in] in `dtype` (float32 or bfloat16), by the variables' forward mode.
  virtual at::Tensor Weight(at::ScalarType dtype) const = 0;
  // dw: [out, in], contiguous, dL/dW in a dtype of Weight().
  virtual void AddGradient(const at::Tensor& dw) = 0;
  // [out, in] bool: alpha >= 0.
  virtual at::Tensor Decisions() const = 0;
  // The hard decisions as plain integer weights.
  virtual QuantizedLinear Harden() const;

  const Grid& grid() const { return grid_; }
  int64_t weights() const { return base_.numel(); }

 protected:
  int maxq() const { return (1 << grid_.bits) - 1; }
  at::Tensor base_;  // [out, in] uint8, RoundingVariables::base
  Grid grid_;
};

// The linears of one decoder layer and what they train.
struct RoundedLayer {
  std::vector<std::unique_ptr<Variables>> variables;
  std::vector<std::unique_ptr<RoundedLinear>> linears;  // in the order of ModelLayout::linears
};

// codes: [blocks of all linears in order] int32 (Clusters::codes); starts: by linear.
void AddCodebook(const Clusters& clusters, std::vector<RoundingVariables> starts,
                 RoundedLayer* layer);
void AddDense(RoundingVariables start, RoundedLayer* layer);
// The factor A is drawn from `seed`; B starts at zero, so the decisions are those of the start.
void AddLowRank(RoundingVariables start, int64_t rank, uint64_t seed, RoundedLayer* layer);
// A linear that is not quantized and trains nothing, at its place among the others. weight: [out,
// in], of a float dtype.
void InsertSkipped(at::Tensor weight, size_t index, RoundedLayer* layer);

}  // namespace rondo
