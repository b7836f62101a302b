// A training run on disk, per decoder layer, so that a new generation of the gang goes on where the
// former one was, on any number of stages: as step 0 the layers that training starts from, later
// the trained variables and their moments. Nothing is kept with checkpoint_every 0. Collective.
#pragma once

#include <vector>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"
#include "worker/engine/train_loop.h"

namespace rondo {

// This stage's layers of the start; empty when there is none on disk.
absl::StatusOr<std::vector<SolvedLayer>> RestoreStart(const RankContext& ctx);
absl::Status SaveStart(const RankContext& ctx, const std::vector<SolvedLayer>& start);

// Takes up the latest step that every layer of the model has on disk; none: from the start.
absl::Status RestoreTraining(const RankContext& ctx, Training* training);

// Writes this stage's layers where `training->step` is one to be kept, on the first replica. The
// step before is removed when this one is complete.
absl::Status SaveTraining(const RankContext& ctx, const Training& training);

}  // namespace rondo
