// A job on one rank, from the first token to the published artifact.
#pragma once

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// Collective: every rank of the gang calls it with the same spec and plan. Nothing is thrown; what
// the job says goes through ctx.reporter.
absl::Status RunJob(const RankContext& ctx);

}  // namespace rondo
