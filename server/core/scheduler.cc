#include "server/core/scheduler.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/log.h"
#include "common/io/file.h"
#include "server/core/planner.h"

namespace rondo {
namespace {

absl::Status RemoveTree(const std::string& dir) {
  std::error_code error;
  std::filesystem::remove_all(dir, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot remove ", dir, ": ", error.message()));
}

void RemoveTreeOrLog(const std::string& dir) {
  if (const absl::Status removed = RemoveTree(dir); !removed.ok()) {
    LogWarning("coordinator", std::string(removed.message()));
  }
}

// What a former generation left, but for what training goes on from.
absl::Status RemoveUnfinished(const std::string& artifact_dir) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(artifact_dir, error)) {
    if (entry.path().filename() == kCheckpointFolder) continue;
    RETURN_IF_ERROR(RemoveTree(entry.path().string()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Scheduler::Recover() {
  for (JobRecord* record : jobs_->Open()) {
    const JobState state = record->job.state;
    if (state != JobState::kPlanning && state != JobState::kRunning) continue;
    RETURN_IF_ERROR(jobs_->Record(
        record, StateChanged{JobState::kRecovering,
                             absl::UnavailableError("the coordinator was started again")}));
  }
  RemoveLeftovers();
  return absl::OkStatus();
}

// What a crash kept from being removed. Folders of jobs that this store does not know stay.
void Scheduler::RemoveLeftovers() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(artifact_root_, error)) {
    const JobRecord* record = jobs_->Find(JobId(entry.path().filename().string()));
    if (record == nullptr || record->job.state == JobState::kSucceeded) continue;
    const std::string dir = entry.path().string();
    if (IsFinal(record->job.state)) {
      RemoveTreeOrLog(dir);
    } else if (RemoveUnfinished(dir).ok()) {
      std::filesystem::remove(dir, error);  // unless a checkpoint is left in it
    }
  }
}

void Scheduler::Schedule() {
  for (JobRecord* record : jobs_->Open()) {
    const JobState state = record->job.state;
    const bool waiting = state == JobState::kQueued || state == JobState::kRecovering;
    if (!waiting || record->gang || !jobs_->broken().ok()) continue;
    std::vector<WorkerInfo> idle = workers_->Idle();
    size_t ranks = 0;
    const Fit fit = Fits(record, idle, &ranks);
    if (fit == Fit::kWait) return;
    if (fit == Fit::kSkip) continue;
    idle.resize(ranks);
    Start(record, idle);
  }
}

Scheduler::Fit Scheduler::Fits(JobRecord* record, const std::vector<WorkerInfo>& idle,
                               size_t* ranks) {
  if (idle.empty()) return Fit::kWait;
  const JobSpec& spec = record->job.spec;
  const size_t wanted = spec.workers > 0 ? spec.workers : FewestRanks(spec);
  if (wanted > static_cast<size_t>(workers_->attached())) return Fit::kSkip;
  if (wanted > idle.size()) return Fit::kWait;
  if (const absl::Status loaded = LoadFacts(record); !loaded.ok()) {
    Fail(record, loaded);
    return Fit::kSkip;
  }
  *ranks = RanksFor(spec, record->facts->config, static_cast<int>(idle.size()));
  return Fit::kStart;
}

// A job that outlived a restart of the coordinator is checked again, under the lock: it is rare,
// and reads headers only.
absl::Status Scheduler::LoadFacts(JobRecord* record) {
  if (record->facts) return absl::OkStatus();
  ASSIGN_OR_RETURN(record->facts, CheckSpec(record->job.spec));
  return absl::OkStatus();
}

void Scheduler::Start(JobRecord* record, const std::vector<WorkerInfo>& gang) {
  if (const absl::Status started = StartGang(record, gang); !started.ok()) Fail(record, started);
}

absl::Status Scheduler::StartGang(JobRecord* record, const std::vector<WorkerInfo>& gang) {
  Job& job = record->job;
  const std::string artifact_dir = ArtifactDir(job.id);
  RETURN_IF_ERROR(RemoveUnfinished(artifact_dir));
  RETURN_IF_ERROR(MakeDirs(artifact_dir));

  RETURN_IF_ERROR(jobs_->Record(record, StateChanged{JobState::kPlanning}));
  const int size = static_cast<int>(gang.size());
  ASSIGN_OR_RETURN(const auto shapes, ShapesOf(job.spec, record->facts->config, size));
  RETURN_IF_ERROR(
      jobs_->Record(record, PlanMade{MakePlan(job.spec, *record->facts, shapes, gang)}));
  GangFormed formed{job.generation + 1, {}};
  Gang ranks{formed.generation, {}, std::vector<bool>(gang.size(), false), {}};
  for (const WorkerInfo& worker : gang) {
    formed.ranks.push_back({worker.id, worker.host, worker.device});
    ranks.workers.push_back(worker.id);
  }
  RETURN_IF_ERROR(jobs_->Record(record, std::move(formed)));
  RETURN_IF_ERROR(jobs_->Record(record, StateChanged{JobState::kRunning}));

  record->gang = std::move(ranks);
  for (int rank = 0; rank < size; ++rank) {
    const WorkerInfo& worker = gang[rank];
    workers_->Reserve(worker.id, job.id);
    workers_->Link(worker.id)->StartRank({job.id, job.generation, rank, job.spec, *job.plan,
                                          worker.host, worker.device, artifact_dir});
  }
  return absl::OkStatus();
}

void Scheduler::OnRankListening(JobRecord* record, const std::string& address) {
  const Gang& gang = *record->gang;
  for (size_t rank = 1; rank < gang.workers.size(); ++rank) {
    AgentLink* link = workers_->Link(gang.workers[rank]);
    if (gang.ended[rank] || link == nullptr) continue;
    link->SendRendezvous(record->job.id, gang.generation, static_cast<int>(rank), address);
  }
}

void Scheduler::OnRankEnded(JobRecord* record, int rank, const absl::Status& status) {
  Gang& gang = *record->gang;
  gang.ended[rank] = true;
  gang.ends.push_back(status);
  workers_->Release(gang.workers[rank]);
  if (!status.ok()) StopOthers(record);
  if (gang.Ended()) Settle(record);
}

void Scheduler::OnWorkerLost(const WorkerId& worker, const std::string& why) {
  workers_->Lose(worker, clock_->Now());
  LogWarning("coordinator", absl::StrCat("worker ", worker.value(), " was lost: ", why));
  const absl::Status lost =
      absl::UnavailableError(absl::StrCat("worker ", worker.value(), " was lost: ", why));
  for (JobRecord* record : jobs_->Open()) {
    if (!record->gang) continue;
    const std::vector<WorkerId>& workers = record->gang->workers;
    const auto it = std::find(workers.begin(), workers.end(), worker);
    if (it == workers.end()) continue;
    const int rank = static_cast<int>(it - workers.begin());
    if (!record->gang->ended[rank]) OnRankEnded(record, rank, lost);
  }
}

absl::Status Scheduler::Cancel(JobRecord* record) {
  const Job& job = record->job;
  if (IsFinal(job.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.id.value(), " has ended (", JobStateName(job.state),
                     "); only a job that has not can be cancelled"));
  }
  RETURN_IF_ERROR(jobs_->Record(record, StateChanged{JobState::kCancelled}));
  if (record->gang) {
    StopOthers(record);
  } else {
    RemoveTreeOrLog(ArtifactDir(job.id));
  }
  return absl::OkStatus();
}

void Scheduler::StopOthers(JobRecord* record) {
  Gang& gang = *record->gang;
  if (gang.stopping) return;
  gang.stopping = true;
  for (size_t rank = 0; rank < gang.workers.size(); ++rank) {
    AgentLink* link = workers_->Link(gang.workers[rank]);
    if (gang.ended[rank] || link == nullptr) continue;
    link->StopRank(record->job.id, gang.generation, static_cast<int>(rank));
  }
}

void Scheduler::Settle(JobRecord* record) {
  absl::Status verdict = Verdict(*record->gang);
  record->gang.reset();
  const Job& job = record->job;
  if (IsFinal(job.state)) {  // cancelled
    RemoveTreeOrLog(ArtifactDir(job.id));
    return;
  }
  if (verdict.ok() && job.artifacts.empty() && !job.spec.exports.empty()) {
    verdict = absl::FailedPreconditionError("all ranks ended without publishing the artifacts");
  }
  // A failure of the store is remembered there and seen by everybody who writes.
  if (verdict.ok()) {
    RemoveTreeOrLog(JoinPath(ArtifactDir(job.id), kCheckpointFolder));
    jobs_->Record(record, StateChanged{JobState::kSucceeded}).IgnoreError();
  } else if (IsRetryable(verdict) && record->retries < kMaxRetries) {
    ++record->retries;
    jobs_->Record(record, StateChanged{JobState::kRecovering, verdict}).IgnoreError();
  } else if (IsRetryable(verdict)) {
    Fail(record, Annotate(verdict, absl::StrCat("after ", kMaxRetries + 1, " attempts")));
  } else {
    Fail(record, verdict);
  }
}

void Scheduler::Fail(JobRecord* record, const absl::Status& why) {
  const absl::Status recorded = jobs_->Record(record, StateChanged{JobState::kFailed, why});
  if (recorded.ok()) RemoveTreeOrLog(ArtifactDir(record->job.id));
}

}  // namespace rondo
