// What one rank process is told to do, and what it answers. Pure values that the agent and the
// rank exchange (worker/runtime/channel.h) and the agent and the coordinator pass on.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/job_spec.h"
#include "common/domain/plan.h"

namespace rondo {

// In a task's artifact_dir: what a later generation may go on from. Everything else in there goes
// when a generation starts; this when the job has ended.
inline constexpr char kCheckpointFolder[] = "checkpoint";

struct RankTask {
  JobId job;
  int64_t generation = 0;
  int rank = 0;
  JobSpec spec;
  Plan plan;                 // of WorldSize(plan) ranks
  std::string host;          // this rank's address for its peers
  std::string device;        // "cpu", "cuda:0"
  std::string artifact_dir;  // this job's; on a file system that coordinator and workers share
  // Of this worker, kept between jobs; set by its agent.
  std::string cache_dir;
  int64_t cache_quota_bytes = 0;  // 0: as much as the disk has room for
};

// Rank 0 listens for its peers on host:port; the coordinator hands it to the others.
struct RankListening {
  std::string address;
};

// The rank's work ended; the process ends right after.
struct RankFinished {
  absl::Status status;
};

using RankReport = std::variant<RankListening, JobEvent, RankFinished>;

}  // namespace rondo
