#include "common/domain/job.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/domain/worker_info.h"

namespace rondo {
namespace {

using enum JobState;

constexpr std::array<std::pair<JobState, JobState>, 16> kMoves = {{
    {kQueued, kPlanning},
    {kQueued, kFailed},
    {kQueued, kCancelled},
    {kPlanning, kRunning},
    {kPlanning, kQueued},
    {kPlanning, kRecovering},
    {kPlanning, kFailed},
    {kPlanning, kCancelled},
    {kRunning, kSucceeded},
    {kRunning, kRecovering},
    {kRunning, kFailed},
    {kRunning, kCancelled},
    {kRecovering, kPlanning},
    {kRecovering, kRunning},
    {kRecovering, kFailed},
    {kRecovering, kCancelled},
}};

struct Fold {
  const JobEvent& event;
  Job* job;

  void operator()(const StateChanged& change) const {
    job->state = change.state;
    job->error = change.error;
    if (change.state == JobState::kQueued) job->owner = change.by;
    if (change.retry) ++job->retries;
    if (change.state == kRunning && job->started == absl::InfinitePast()) job->started = event.time;
    if (IsFinal(change.state)) job->finished = event.time;
  }
  void operator()(const GangFormed& gang) const {
    job->generation = gang.generation;
    job->ranks = gang.ranks;
    job->progress.clear();
    job->layers_quantized = 0;
    job->phases.clear();
    job->evaluations.clear();
    job->artifacts.clear();
    job->training.reset();
    job->training_result.reset();
  }
  void operator()(const SourceFetched& fetched) const { job->sources[fetched.source] = fetched; }
  void operator()(const PlanMade& made) const { job->plan = made.plan; }
  void operator()(const Progress& progress) const { job->progress[progress.rank] = progress; }
  void operator()(const PhaseFinished& phase) const { job->phases.push_back(phase); }
  void operator()(const LayerQuantized&) const { ++job->layers_quantized; }
  void operator()(const Note&) const {}
  void operator()(const Evaluated& evaluated) const { job->evaluations.push_back(evaluated); }
  void operator()(const ArtifactsPublished& published) const {
    job->artifacts = published.artifacts;
  }
  void operator()(const LayerClustered&) const {}
  void operator()(const TrainingStep& step) const { job->training = step; }
  void operator()(const TrainingFinished& finished) const { job->training_result = finished; }
};

}  // namespace

std::string JobStateName(JobState state) {
  switch (state) {
    case kQueued: return "QUEUED";
    case kPlanning: return "PLANNING";
    case kRunning: return "RUNNING";
    case kRecovering: return "RECOVERING";
    case kSucceeded: return "SUCCEEDED";
    case kFailed: return "FAILED";
    case kCancelled: return "CANCELLED";
  }
  return "?";
}

std::string PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kTeacher: return "TEACHER";
    case Phase::kInitialise: return "INITIALISE";
    case Phase::kEvaluate: return "EVALUATE";
    case Phase::kExport: return "EXPORT";
    case Phase::kFinetune: return "FINETUNE";
    case Phase::kHarden: return "HARDEN";
    case Phase::kFetch: return "FETCH";
    case Phase::kPreflight: return "PREFLIGHT";
  }
  return "?";
}

std::string WorkerStateName(WorkerState state) {
  switch (state) {
    case WorkerState::kIdle: return "IDLE";
    case WorkerState::kBusy: return "BUSY";
    case WorkerState::kLost: return "LOST";
  }
  return "?";
}

bool IsFinal(JobState state) {
  return state == kSucceeded || state == kFailed || state == kCancelled;
}

bool CanMoveTo(JobState from, JobState to) {
  return std::find(kMoves.begin(), kMoves.end(), std::pair(from, to)) != kMoves.end();
}

void Apply(const JobEvent& event, Job* job) {
  job->last_event = event.number;
  std::visit(Fold{event, job}, event.body);
}

}  // namespace rondo
