// Quantizes the linears of one decoder layer by the job's method.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "worker/algo/gptq.h"
#include "worker/engine/context.h"

namespace rondo {

// ctx.layout with those linears alone that GPTQ solves in a decoder layer.
ModelLayout SolvedLayout(const RankContext& ctx, int64_t local_layer);

// Collects the Hessians of one decoder layer: one for every distinct input that GPTQ needs.
class LayerStatistics final : public InputObserver {
 public:
  LayerStatistics(const RankContext& ctx, int64_t local_layer);
  absl::Status OnInput(int input, const at::Tensor& x) override;
  bool needs(int input) const { return hessians_.contains(input); }
  // REQUIRES: OnInput was called for that input, which is one of SolvedLayout(); frees it.
  absl::StatusOr<at::Tensor> TakeHessian(int input) { return hessians_.at(input).Take(); }

 private:
  std::map<int, HessianAccumulator> hessians_;  // by LinearLayout::input
};

// The linears of one decoder layer, in the order of ModelLayout::linears.
struct SolvedLayer {
  std::vector<QuantizedLinear> linears;
  // What learned rounding needs to start from GPTQ's fractional parts
  // (worker/algo/rounding_start.h, FractionalStart), by linear, undefined where one is skipped;
  // empty otherwise.
  std::vector<at::Tensor> targets, pushes;
  std::vector<LinearReport> reports;  // of the linears that are not skipped
};

// Quantizes the linears of `layer` that read that input, and appends them. Inputs come in order.
// `statistics` gives up that input's Hessian; null for methods that need none. Warns where damping
// had to be raised.
absl::Status QuantizeInput(const RankContext& ctx, int64_t local_layer, int input,
                           LayerStatistics* statistics, SolvedLayer* solved);

// All linears of a layer. Reports it.
absl::StatusOr<SolvedLayer> QuantizeLayer(const RankContext& ctx, int64_t local_layer,
                                          LayerStatistics* statistics);

// Tells of a layer that is done.
void ReportLayer(const RankContext& ctx, int64_t local_layer, double seconds,
                 const SolvedLayer& solved);

// Gives `layer` the quantized weights, from the linear `first` on, as a loader of the artifact will
// see them: rounded to `storage`. Those of skipped linears stay.
absl::Status ReplaceWeights(const std::vector<QuantizedLinear>& linears, size_t first,
                            at::ScalarType storage, DecoderLayer* layer);

}  // namespace rondo
