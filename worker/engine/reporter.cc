#include "worker/engine/reporter.h"

namespace rondo {

void Reporter::Event(EventBody body) {
  JobEvent event;
  event.time = clock_->Now();
  event.body = std::move(body);
  send_(event).IgnoreError();
}

void Reporter::ReportProgress(Phase phase, int64_t done, int64_t total, const std::string& unit) {
  const absl::Time now = clock_->Now();
  const bool edge = done == 0 || done == total;
  if (!edge && now - last_progress_ < absl::Milliseconds(500)) return;
  last_progress_ = now;
  Event(Progress{phase, rank_, done, total, unit});
}

}  // namespace rondo
