#include "server/core/queue.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

namespace rondo {
namespace {

int64_t WorkersAtWork(const JobRecord& record) {
  return record.gang ? std::count(record.gang->ended.begin(), record.gang->ended.end(), false) : 0;
}

bool IsWaiting(const JobRecord& record, absl::Time now) {
  const JobState state = record.job.state;
  return (state == JobState::kQueued || state == JobState::kRecovering) && !record.gang &&
         !record.fetching && record.not_before <= now;
}

}  // namespace

absl::Duration Waited(const Job& job, absl::Time now) {
  return std::max(now - job.created, absl::ZeroDuration());
}

int EffectivePriority(const Job& job, absl::Time now) {
  const int64_t steps = Waited(job, now) / kAging;
  return static_cast<int>(std::min<int64_t>(kHighestPriority, job.spec.priority + steps));
}

std::vector<JobRecord*> InOrder(const std::vector<JobRecord*>& open, absl::Time now) {
  std::map<std::string, int64_t> at_work;  // by owner
  std::vector<JobRecord*> waiting;
  for (JobRecord* record : open) {
    at_work[record->job.owner] += WorkersAtWork(*record);
    if (IsWaiting(*record, now)) waiting.push_back(record);
  }
  const auto key = [&](const JobRecord* record) {
    return std::tuple(-EffectivePriority(record->job, now), at_work.at(record->job.owner));
  };
  std::stable_sort(waiting.begin(), waiting.end(),
                   [&](const JobRecord* a, const JobRecord* b) { return key(a) < key(b); });
  return waiting;
}

}  // namespace rondo
