// What the tests of this folder share: a job on the tiny model, an agent that records what it is
// told, a clock that is set by hand.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/job_spec.h"
#include "server/core/agent_link.h"

namespace rondo {

inline constexpr char kTinyModel[] = "tests/data/models/llama-tiny";
inline constexpr char kCalibrationText[] = "tests/data/text/calibration.txt";

inline JobSpec TinySpec(int workers) {
  JobSpec spec;
  spec.model.path = kTinyModel;
  spec.calibration = {kCalibrationText, 4, 32, 0};
  spec.grid.group_size = 32;
  spec.workers = workers;
  return spec;
}

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'000'000);
};

class RecordingLink final : public AgentLink {
 public:
  void StartRank(const RankTask& task) override { started.push_back(task); }
  void SendRendezvous(const JobId&, int64_t generation, int rank,
                      const std::string& address) override {
    told.push_back(absl::StrCat("rendezvous ", generation, "/", rank, " ", address));
  }
  void StopRank(const JobId&, int64_t generation, int rank) override {
    told.push_back(absl::StrCat("stop ", generation, "/", rank));
  }

  std::vector<RankTask> started;
  std::vector<std::string> told;
};

}  // namespace rondo
