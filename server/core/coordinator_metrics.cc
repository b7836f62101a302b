#include "server/core/coordinator_metrics.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"

namespace rondo {
namespace {

MetricSample OfState(const std::string& state, int64_t count) {
  return {{{"state", absl::AsciiStrToLower(state)}}, static_cast<double>(count)};
}

std::vector<MetricSample> JobsByState(Coordinator* coordinator) {
  std::map<JobState, int64_t> counts = coordinator->CountJobs();
  std::vector<MetricSample> samples;
  for (const JobState state :
       {JobState::kQueued, JobState::kPlanning, JobState::kRunning, JobState::kRecovering,
        JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    samples.push_back(OfState(JobStateName(state), counts[state]));
  }
  return samples;
}

std::vector<MetricSample> WorkersByState(Coordinator* coordinator) {
  std::map<WorkerState, int64_t> counts;
  for (const WorkerInfo& worker : coordinator->ListWorkers()) ++counts[worker.state];
  std::vector<MetricSample> samples;
  for (const WorkerState state : {WorkerState::kIdle, WorkerState::kBusy, WorkerState::kLost}) {
    samples.push_back(OfState(WorkerStateName(state), counts[state]));
  }
  return samples;
}

}  // namespace

void AddCoordinatorMetrics(Coordinator* coordinator, Metrics* metrics) {
  using enum Metrics::Kind;
  metrics->AddReader(kGauge, "rondo_jobs", "Jobs of the store, by state.",
                     [=] { return JobsByState(coordinator); });
  metrics->AddReader(
      kGauge, "rondo_queue_depth", "Jobs that would start now if they had the workers.", [=] {
        return std::vector<MetricSample>{{{}, static_cast<double>(coordinator->queue_depth())}};
      });
  metrics->AddReader(kGauge, "rondo_workers",
                     "Workers, by state; a lost one is shown for ten minutes.",
                     [=] { return WorkersByState(coordinator); });
  metrics->AddReader(
      kCounter, "rondo_stale_generation_rejected_total",
      "Reports that were dropped: of ranks that have ended or are of a former generation.", [=] {
        return std::vector<MetricSample>{{{}, static_cast<double>(coordinator->stale_reports())}};
      });
}

}  // namespace rondo
