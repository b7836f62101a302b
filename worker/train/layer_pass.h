// Forward and backward through a stage's decoder layers with gradient checkpointing: of a forward
// pass only each layer's input is kept, and the backward pass computes the layer again.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/model/decoder.h"

namespace rondo {

using SavedInputs = std::vector<at::Tensor>;  // by layer

// hidden: [1, seq, hidden] float32 -> the last layer's output.
absl::StatusOr<at::Tensor> ForwardLayers(const Stage& stage, at::Tensor hidden, SavedInputs* saved);

// gradient: with respect to the output of ForwardLayers -> with respect to its input. What the
// layers' products train is added to on the way. Drops `saved`.
absl::StatusOr<at::Tensor> BackwardLayers(const Stage& stage, SavedInputs saved,
                                          at::Tensor gradient);

}  // namespace rondo
