// Learned rounding from its start to integer weights (docs/algorithms.md, sections 4 and 5).
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"

namespace rondo {

// start: the initialisation's layers of this stage. calibration: [windows, seq] int64. Returns the
// layers of this stage with the learned decisions. Collective.
absl::StatusOr<std::vector<SolvedLayer>> LearnRounding(const RankContext& ctx,
                                                       const at::Tensor& calibration,
                                                       const std::vector<SolvedLayer>& start);

}  // namespace rondo
