// Before hours are spent: one micro-batch of calibration windows goes through every layer of the
// model, one in memory at a time. It finds weights that cannot be read or give NaN or Inf, a
// device without memory for a layer, its statistics and a micro-batch, and a gang whose ranks
// cannot reach each other; before that, no room for the teacher's cache. A warning says where
// tokens and model do not belong together.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// calibration: [windows, seq] int64. Collective.
absl::Status Preflight(const RankContext& ctx, const at::Tensor& calibration);

}  // namespace rondo
