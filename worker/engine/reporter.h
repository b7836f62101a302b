// What a rank tells the coordinator while it works. Thread-compatible. A report that cannot be sent
// is dropped: then the agent is gone, and the channel's watcher ends the process.
#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/domain/job.h"
#include "common/domain/rank_task.h"
#include "worker/engine/memory.h"

namespace rondo {

class Reporter {
 public:
  using Send = std::function<absl::Status(const RankReport&)>;
  Reporter(int rank, const Clock* clock, c10::Device device, Send send)
      : rank_(rank), clock_(clock), device_(device), send_(std::move(send)) {}

  void Event(EventBody body);
  void Warn(const std::string& message) { Event(Note{Severity::kWarning, rank_, message}); }
  // At most two a second within a phase, but always the first and the last.
  void ReportProgress(Phase phase, int64_t done, int64_t total, const std::string& unit);
  void ReportPhase(Phase phase, double seconds, double matmul_flop) {
    Event(PhaseFinished{phase, rank_, seconds, matmul_flop, PeakMemory(device_)});
  }
  double Seconds() const { return absl::ToDoubleSeconds(clock_->Now() - absl::UnixEpoch()); }

 private:
  int rank_;
  const Clock* clock_;
  c10::Device device_;  // whose memory is reported
  Send send_;
  absl::Time last_progress_ = absl::InfinitePast();
};

}  // namespace rondo
