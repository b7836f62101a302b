// Calibration windows on their way through this stage's layers, all of them through one layer
// before the next is needed, so that one layer is in memory at a time.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// ctx outlives it. Thread-compatible.
class LayerWalk {
 public:
  // tokens: [windows, seq] int64. Embedded on the first stage, received elsewhere.
  static absl::StatusOr<LayerWalk> Start(const RankContext& ctx, const at::Tensor& tokens);

  // Shows `observer` what the linears of `layer` get; the windows stay in front of it.
  absl::Status Observe(const DecoderLayer& layer, int64_t local_layer, InputObserver* observer);
  // Takes all windows through `layer`.
  absl::Status Step(const DecoderLayer& layer, int64_t local_layer);
  // Hands the windows to the next stage, where there is one.
  absl::Status PassOn();

  // [count, seq, hidden], a tensor a micro-batch.
  const std::vector<at::Tensor>& hidden() const { return hidden_; }

 private:
  explicit LayerWalk(const RankContext& ctx) : ctx_(&ctx) {}

  const RankContext* ctx_;
  std::vector<at::Tensor> hidden_;
};

}  // namespace rondo
