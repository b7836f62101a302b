// Quantizes the linears of one decoder layer by the job's method.
#pragma once

#include <memory>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "worker/algo/gptq.h"
#include "worker/engine/context.h"

namespace rondo {

// Collects the Hessians of one decoder layer: one for every distinct input.
class LayerStatistics final : public InputObserver {
 public:
  LayerStatistics(const ModelLayout& layout, at::Device device);
  absl::Status OnInput(int input, const at::Tensor& x) override;
  // REQUIRES: OnInput was called for that input; frees it.
  absl::StatusOr<at::Tensor> TakeHessian(int input) { return hessians_[input].Take(); }

 private:
  std::vector<HessianAccumulator> hessians_;  // by LinearLayout::input
};

// The linears of one decoder layer, in the order of ModelLayout::linears.
struct SolvedLayer {
  std::vector<QuantizedLinear> linears;
  // What learned rounding needs to start from GPTQ's fractional parts
  // (worker/algo/rounding_start.h, FractionalStart), by linear; empty otherwise.
  std::vector<at::Tensor> targets, pushes;
};

// `statistics` is emptied; null for methods that need none. Reports a LayerQuantized event, and a
// warning where damping had to be raised.
absl::StatusOr<SolvedLayer> QuantizeLayer(const RankContext& ctx, int64_t local_layer,
                                          LayerStatistics* statistics);

}  // namespace rondo
