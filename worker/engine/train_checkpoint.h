// A training run on disk, per decoder layer, so that a new generation of the gang goes on where the
// former one was, on any number of stages: trained variables and their moments. What training
// starts from is kept by KeptLayers. Nothing is kept with checkpoint_every 0. Collective.
#pragma once

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/train_loop.h"

namespace rondo {

// Takes up the latest step that every layer of the model has on disk, whole; none: from the start.
// Files that are not whole are set aside with a warning.
absl::Status RestoreTraining(const RankContext& ctx, Training* training);

// Writes this stage's layers where `training->step` is one to be kept, on the first replica. The
// step before is removed when this one is complete.
absl::Status SaveTraining(const RankContext& ctx, const Training& training);

}  // namespace rondo
