// One rank of a gang: opens the checkpoint, meets its peers, runs the job.
#pragma once

#include <functional>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/domain/rank_task.h"

namespace rondo {

struct RankDeps {
  const Clock* clock = nullptr;
  // Thread-compatible: called from the rank's one thread.
  std::function<absl::Status(const RankReport&)> report;
  // Blocks until the address of rank 0 is known; asked once, by ranks other than 0.
  std::function<absl::StatusOr<std::string>()> wait_for_rendezvous;
};

// The whole of a rank's work. Sets torch's process-wide number of threads.
absl::Status RunRank(const RankTask& task, const RankDeps& deps);

}  // namespace rondo
