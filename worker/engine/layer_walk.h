// Calibration windows on their way through this stage's layers, all of them through one block of a
// layer before the next is needed, so that one layer is in memory at a time.
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

  // Shows `observer` that input of the block of `layer` that the windows stand in front of.
  absl::Status Observe(const DecoderLayer& layer, int64_t local_layer, int input,
                       InputObserver* observer);
  // Takes all windows through that block. `observer` may be null.
  absl::Status Step(const DecoderLayer& layer, int64_t local_layer, Block block,
                    InputObserver* observer);
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
