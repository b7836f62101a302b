// The decoder layers that GPTQ has solved, each kept on disk as soon as it is, so that a new
// generation of the gang solves only what is left, on any number of stages. They are also what
// learned rounding starts from when it goes on after its initialisation; with checkpoint_every 0 it
// keeps nothing. Rounding to nearest is done again faster than it is read.
#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"

namespace rondo {

// Where a generation's checkpoint lies, and that of the former one before.
std::string CheckpointDir(const RankContext& ctx);

// ctx outlives it. Thread-compatible.
class KeptLayers {
 public:
  // Collective. Reads all of this stage's files once: one that is cut short, corrupt or of other
  // content (RunKey) is set aside with a warning, and counts as not there.
  static absl::StatusOr<KeptLayers> Find(const RankContext& ctx, const at::Tensor& calibration);

  bool has(int64_t local_layer) const { return has_[ctx_->stage().first_layer + local_layer]; }
  // Every layer of the model is there, so nobody needs activations.
  bool complete() const;

  // REQUIRES: has(local_layer). Reports the layer as if it had been solved now.
  absl::StatusOr<SolvedLayer> Load(int64_t local_layer) const;
  // Does nothing but on the first replica.
  absl::Status Save(int64_t local_layer, const SolvedLayer& solved) const;

 private:
  explicit KeptLayers(const RankContext& ctx);

  const RankContext* ctx_;
  bool keeps_;
  std::string key_;
  std::vector<bool> has_;  // by layer of the model
};

}  // namespace rondo
