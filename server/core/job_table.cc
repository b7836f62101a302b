#include "server/core/job_table.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace rondo {
namespace {

absl::Status BadMove(const JobId& id, JobState from, JobState to) {
  return absl::InternalError(absl::StrCat("job ", id.value(), " cannot move from ",
                                          JobStateName(from), " to ", JobStateName(to)));
}

}  // namespace

absl::StatusOr<JobTable> JobTable::Load(JobStore* store, const Clock* clock) {
  JobTable table(store, clock);
  ASSIGN_OR_RETURN(std::vector<Job> jobs, store->LoadJobs());
  for (Job& job : jobs) {
    table.order_.push_back(job.id);
    JobRecord& record = table.jobs_[job.id];
    record.job = std::move(job);
    table.open_.push_back(&record);
  }
  return table;
}

JobRecord& JobTable::Add(Job job, const JobEvent& first, ModelFacts facts) {
  order_.push_back(job.id);
  JobRecord& record = jobs_[job.id];
  record.job = std::move(job);
  record.facts = std::move(facts);
  open_.push_back(&record);
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
  std::vector<EventBody> bodies;
  bodies.push_back(std::move(body));
  return RecordAll(record, std::move(bodies));
}

absl::Status JobTable::RecordAll(JobRecord* record, std::vector<EventBody> bodies) {
  RETURN_IF_ERROR(broken_);
  Job& job = record->job;
  JobState state = job.state;
  int64_t generation = job.generation;
  const absl::Time now = clock_->Now();
  std::vector<JobEvent> events;
  events.reserve(bodies.size());
  for (EventBody& body : bodies) {
    if (const auto* change = std::get_if<StateChanged>(&body)) {
      if (!CanMoveTo(state, change->state)) return BadMove(job.id, state, change->state);
      state = change->state;
    }
    if (const auto* gang = std::get_if<GangFormed>(&body)) generation = gang->generation;
    events.push_back({0, now, generation, std::move(body)});
  }
  const absl::StatusOr<int64_t> first = store_->Append(job.id, events);
  if (!first.ok()) return Broke(first.status());
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].number = *first + static_cast<int64_t>(i);
    Apply(events[i], &job);
  }
  if (IsFinal(job.state)) record->facts.reset();  // the job stays for good
  record->changed.SignalAll();
  return absl::OkStatus();
}

absl::Status JobTable::Broke(const absl::Status& failure) {
  if (!broken_.ok()) return broken_;
  broken_ = absl::UnavailableError(
      absl::StrCat("the job store failed, restart rondo-server once it can write: ",
                   std::string(failure.message())));
  LogError("coordinator", std::string(broken_.message()));
  return Annotate(failure, "the job store failed");
}

void JobTable::WakeAll() {
  for (auto& [id, record] : jobs_) record.changed.SignalAll();
}

std::vector<JobRecord*> JobTable::Open() {
  std::erase_if(
      open_, [](const JobRecord* record) { return IsFinal(record->job.state) && !record->gang; });
  return open_;
}

std::map<JobState, int64_t> JobTable::CountByState() const {
  std::map<JobState, int64_t> counts;
  for (const auto& [id, record] : jobs_) ++counts[record.job.state];
  return counts;
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
