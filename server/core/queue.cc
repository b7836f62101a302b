#include "server/core/queue.h"

#include <algorithm>
#include <map>
#include <string>

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
  for (const JobRecord* record : open) at_work[record->job.owner] += WorkersAtWork(*record);
  struct Place {
    int priority;
    int64_t at_work;
    JobRecord* record;
  };
  std::vector<Place> places;
  for (JobRecord* record : open) {
    if (!IsWaiting(*record, now)) continue;
    places.push_back({EffectivePriority(record->job, now), at_work[record->job.owner], record});
  }
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.priority != b.priority ? a.priority > b.priority : a.at_work < b.at_work;
  });
  std::vector<JobRecord*> waiting;
  waiting.reserve(places.size());
  for (const Place& place : places) waiting.push_back(place.record);
  return waiting;
}

}  // namespace rondo
