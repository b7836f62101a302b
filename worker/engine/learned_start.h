// From the integer weights of an initialisation to trained variables (docs/algorithms.md 5.2).
#pragma once

#include <vector>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"
#include "worker/train/rounding.h"

namespace rondo {

// One RoundedLayer for each of this stage's decoder layers, by local layer. Deterministic: the same
// start gives the same variables. Reports a LayerClustered event for every layer with codebooks.
absl::StatusOr<std::vector<RoundedLayer>> StartRounding(const RankContext& ctx,
                                                        const std::vector<SolvedLayer>& solved);

}  // namespace rondo
