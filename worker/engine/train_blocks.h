// The block objective: every decoder layer learns to give the original layer's output for the
// original layer's input, on its own. Stages need nothing of each other while they train.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/train/rounding.h"

namespace rondo {

// settings.steps steps of settings.batch windows for each layer, by mean squared error. tokens:
// [windows, seq] int64. Reports TrainingStep events with objective "block", whose divergence is the
// squared error by that of the layer's output.
absl::Status TrainBlocks(const RankContext& ctx, const at::Tensor& tokens,
                         std::vector<RoundedLayer>* layers);

}  // namespace rondo
