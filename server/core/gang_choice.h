// Which workers run a job: so many, and with so much memory, that each can hold its stage as
// planned. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/worker_info.h"
#include "server/core/admission.h"

namespace rondo {

struct GangChoice {
  std::vector<WorkerInfo> workers;  // by rank; fewer than the job needs: there are no more
  int64_t memory_bytes = 0;         // of the largest stage
  bool fits = false;                // every worker has room for its stage
  std::string why_not;              // unless it fits
};

// As many of `workers` as the job can use where each has room: spec.workers, or with 0 the most.
// Those of one host stay together, and workers with more memory than others are left to other jobs
// where the others will do. Without such a choice, those with the most memory.
// REQUIRES: CheckSpec(spec) gave `facts`; `workers` are in the order of hosts.
GangChoice ChooseGang(const JobSpec& spec, const ModelFacts& facts,
                      const std::vector<WorkerInfo>& workers);

}  // namespace rondo
