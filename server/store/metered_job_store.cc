#include "server/store/metered_job_store.h"

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"

namespace rondo {
namespace {

// Of a write with its fsync, in seconds: from a fast NVMe disk to one that is about to fail.
const std::vector<double> kCommitBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                           0.05,   0.1,   0.25,   0.5,   1,    2.5};

std::vector<std::string> MethodNames() {
  return {MethodName(EvaluateOnly{}),
          MethodName(RtnSettings{}),
          MethodName(GptqSettings{}),
          MethodName(LearnedRoundingSettings{CodebookSettings{}}),
          MethodName(LearnedRoundingSettings{DenseSettings{}}),
          MethodName(LearnedRoundingSettings{LowRankSettings{}})};
}

class MeteredJobStore final : public JobStore {
 public:
  MeteredJobStore(std::unique_ptr<JobStore> store, Metrics* metrics);

  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& request_id,
                                                   const JobSpec& spec) override {
    auto found = store_->FindRequest(request_id, spec);
    if (found.ok() && *found) deduplicated_.at(MethodName(spec.method))->Increment();
    return found;
  }

  absl::StatusOr<CreatedJob> Create(const Job& job, const JobEvent& first) override {
    const absl::Time start = absl::Now();
    auto created = store_->Create(job, first);
    create_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
    if (!created.ok()) return created;
    auto& jobs = created->existed ? deduplicated_ : submitted_;
    jobs.at(MethodName(job.spec.method))->Increment();
    return created;
  }

  absl::StatusOr<int64_t> Append(const JobId& id, const std::vector<JobEvent>& events) override {
    const absl::Time start = absl::Now();
    auto appended = store_->Append(id, events);
    append_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
    if (!appended.ok()) return appended;
    for (const JobEvent& event : events) {
      if (const auto* change = std::get_if<StateChanged>(&event.body)) CountChange(*change);
    }
    return appended;
  }

  absl::StatusOr<std::vector<JobEvent>> ReadEvents(const JobId& id, int64_t after,
                                                   int limit) override {
    return store_->ReadEvents(id, after, limit);
  }
  absl::StatusOr<std::vector<Job>> LoadJobs() override { return store_->LoadJobs(); }

 private:
  void CountChange(const StateChanged& change) {
    if (IsFinal(change.state)) finished_.at(change.state)->Increment();
    if (change.state != JobState::kRecovering) return;
    (change.retry ? lost_gangs_ : maintained_gangs_).Increment();
  }

  const std::unique_ptr<JobStore> store_;
  std::map<std::string, Counter*> submitted_;  // by method
  std::map<std::string, Counter*> deduplicated_;
  std::map<JobState, Counter*> finished_;
  Counter& lost_gangs_;
  Counter& maintained_gangs_;
  Histogram& create_seconds_;
  Histogram& append_seconds_;
};

Counter& AddRestarts(Metrics* metrics, const std::string& reason) {
  return metrics->AddCounter(
      "rondo_gang_restarts_total",
      "Gangs that ended and whose job goes on with another one. loss: a rank or a worker was lost "
      "or stuck, which costs a retry; maintenance: a worker was told to go, or the coordinator was "
      "started again.",
      {{"reason", reason}});
}

Histogram& AddCommits(Metrics* metrics, const std::string& op) {
  return metrics->AddHistogram("rondo_store_commit_duration_seconds",
                               "Time to write a new job (create) or events of one (append) to the "
                               "disk, waiting for other writes included.",
                               {{"op", op}}, kCommitBounds);
}

MeteredJobStore::MeteredJobStore(std::unique_ptr<JobStore> store, Metrics* metrics)
    : store_(std::move(store)),
      lost_gangs_(AddRestarts(metrics, "loss")),
      maintained_gangs_(AddRestarts(metrics, "maintenance")),
      create_seconds_(AddCommits(metrics, "create")),
      append_seconds_(AddCommits(metrics, "append")) {
  for (const std::string& method : MethodNames()) {
    submitted_[method] = &metrics->AddCounter("rondo_jobs_submitted_total",
                                              "Jobs that were queued.", {{"method", method}});
    deduplicated_[method] = &metrics->AddCounter(
        "rondo_jobs_deduplicated_total",
        "Submissions whose request id was known, which were answered with the job that it had "
        "made.",
        {{"method", method}});
  }
  for (const JobState state : {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    finished_[state] =
        &metrics->AddCounter("rondo_jobs_finished_total", "Jobs that ended.",
                             {{"result", absl::AsciiStrToLower(JobStateName(state))}});
  }
}

}  // namespace

std::unique_ptr<JobStore> MeterJobStore(std::unique_ptr<JobStore> store, Metrics* metrics) {
  return std::make_unique<MeteredJobStore>(std::move(store), metrics);
}

}  // namespace rondo
