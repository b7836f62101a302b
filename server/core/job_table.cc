#include "server/core/job_table.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace rondo {

absl::StatusOr<JobTable> JobTable::Load(JobStore* store, const Clock* clock) {
  JobTable table(store, clock);
  ASSIGN_OR_RETURN(std::vector<Job> jobs, store->LoadJobs());
  for (Job& job : jobs) {
    table.order_.push_back(job.id);
    table.jobs_[job.id].job = std::move(job);
  }
  return table;
}

JobRecord& JobTable::Add(Job job, const JobEvent& first, ModelFacts facts) {
  order_.push_back(job.id);
  JobRecord& record = jobs_[job.id];
  record.job = std::move(job);
  record.facts = std::move(facts);
  Apply(first, &record.job);
  return record;
}

JobRecord* JobTable::Find(const JobId& id) {
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : &it->second;
}

absl::StatusOr<JobRecord*> JobTable::Get(const JobId& id) {
  if (JobRecord* record = Find(id)) return record;
  return absl::NotFoundError(absl::StrCat("job ", id.value(), " does not exist"));
}

absl::Status JobTable::Record(JobRecord* record, EventBody body) {
  RETURN_IF_ERROR(broken_);
  Job& job = record->job;
  if (const auto* change = std::get_if<StateChanged>(&body)) {
    if (!CanMoveTo(job.state, change->state)) {
      return absl::InternalError(absl::StrCat("job ", job.id.value(), " cannot move from ",
                                              JobStateName(job.state), " to ",
                                              JobStateName(change->state)));
    }
  }
  JobEvent event{0, clock_->Now(), job.generation, std::move(body)};
  if (const auto* gang = std::get_if<GangFormed>(&event.body)) event.generation = gang->generation;
  const absl::StatusOr<int64_t> number = store_->Append(job.id, event);
  if (!number.ok()) {
    broken_ = absl::UnavailableError(
        absl::StrCat("the job store failed, restart rondo-server once it can write: ",
                     number.status().message()));
    LogError("coordinator", std::string(broken_.message()));
    return broken_;
  }
  event.number = *number;
  Apply(event, &job);
  return absl::OkStatus();
}

std::vector<JobRecord*> JobTable::Open() {
  std::vector<JobRecord*> open;
  for (const JobId& id : order_) {
    JobRecord& record = jobs_.at(id);
    if (!IsFinal(record.job.state) || record.gang) open.push_back(&record);
  }
  return open;
}

std::pair<std::vector<Job>, int64_t> JobTable::Page(int size, int64_t before) const {
  const int64_t count = static_cast<int64_t>(order_.size());
  int64_t next = before == 0 ? count : std::min(before, count);
  std::vector<Job> jobs;
  for (; next > 0 && static_cast<int>(jobs.size()) < size; --next) {
    jobs.push_back(jobs_.at(order_[next - 1]).job);
  }
  return {std::move(jobs), next};
}

}  // namespace rondo
