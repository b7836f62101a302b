// Learned rounding from its start to integer weights (docs/algorithms.md, sections 4 and 5).
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"
#include "worker/train/rounding.h"

namespace rondo {

// start: the initialisation's layers of this stage. calibration: [windows, seq] int64. Returns the
// trained variables of this stage's layers. Collective.
absl::StatusOr<std::vector<RoundedLayer>> TrainRounding(const RankContext& ctx,
                                                        const at::Tensor& calibration,
                                                        const std::vector<SolvedLayer>& start);

// The learned decisions as integer weights.
std::vector<SolvedLayer> Harden(const RankContext& ctx, const std::vector<RoundedLayer>& layers);

}  // namespace rondo
