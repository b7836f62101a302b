// How many ranks a job takes and how it may be spread over them: stages (ranges of decoder layers)
// x replicas (shares of a training batch). Pure functions.
#pragma once

#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

struct GangShape {
  int stages = 1;
  int replicas = 1;
};

// Every shape of exactly `ranks` ranks that suits the job, most replicas first. INVALID_ARGUMENT or
// UNIMPLEMENTED when there is none, naming spec.workers.
absl::StatusOr<std::vector<GangShape>> ShapesOf(const JobSpec& spec, const ModelConfig& config,
                                                int ranks);

// spec.workers, or with 0 the most of `available` workers that the job can use; at least as many as
// it cannot do without. REQUIRES: ShapesOf(spec, config, spec.workers) is OK when workers > 0.
int RanksFor(const JobSpec& spec, const ModelConfig& config, int available);

// What a job with workers 0 cannot do without.
int FewestRanks(const JobSpec& spec);

}  // namespace rondo
