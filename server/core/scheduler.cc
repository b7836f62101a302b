#include "server/core/scheduler.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/io/disk.h"
#include "common/io/file.h"
#include "server/core/planner.h"
#include "server/core/queue.h"
#include "server/core/sources.h"

namespace rondo {
namespace {

constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Minutes(1);

// Before the attempt that follows the `retries`-th loss: 1 s, 2 s, 4 s, ...
absl::Duration PauseAfter(int retries) {
  absl::Duration pause = kFirstPause;
  for (int i = 1; i < retries && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

// Without so many a job cannot start.
size_t WorkersNeeded(const JobSpec& spec) {
  return spec.workers > 0 ? spec.workers : FewestRanks(spec);
}

}  // namespace

absl::Status Scheduler::Recover() {
  RONDO_FAILPOINT("recover.before");
  for (JobRecord* record : jobs_->Open()) {
    const JobState state = record->job.state;
    if (state != JobState::kPlanning && state != JobState::kRunning) continue;
    RETURN_IF_ERROR(jobs_->Record(
        record, StateChanged{JobState::kRecovering,
                             absl::UnavailableError("the coordinator was started again")}));
  }
  RONDO_FAILPOINT("recover.recorded");
  RemoveLeftovers();
  RONDO_FAILPOINT("recover.after");
  return absl::OkStatus();
}

// What a crash kept from being removed. Folders of jobs that this store does not know stay.
void Scheduler::RemoveLeftovers() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.artifact_root, error)) {
    const JobRecord* record = jobs_->Find(JobId(entry.path().filename().string()));
    if (record == nullptr) continue;
    const JobFolder folder(entry.path().string());
    if (record->job.state == JobState::kSucceeded) {
      folder.RemoveGenerations();
    } else if (IsFinal(record->job.state)) {
      folder.RemoveAll();
    } else {
      folder.RemoveAllButCheckpoint();
    }
  }
}

void Scheduler::Schedule() {
  while (StartNext()) {
  }
}

bool Scheduler::StartNext() {
  std::vector<WorkerInfo> idle = workers_->Idle();
  if (idle.empty() || !jobs_->broken().ok()) return false;
  for (JobRecord* record : InOrder(jobs_->Open(), clock_->Now())) {
    if (TryStart(record, idle)) return true;
    KeepFor(record, &idle);
    if (idle.empty()) return false;
  }
  return false;
}

bool Scheduler::TryStart(JobRecord* record, const std::vector<WorkerInfo>& idle) {
  if (WorkersNeeded(record->job.spec) > idle.size()) return false;
  if (const absl::Status loaded = LoadFacts(record); !loaded.ok()) {
    Fail(record, loaded);
    return true;
  }
  const GangChoice choice = ChooseGang(record->job.spec, *record->facts, idle);
  if (!choice.fits) return false;
  if (const absl::Status started = StartGang(record, choice.workers); !started.ok()) {
    Fail(record, started);
  }
  return true;
}

void Scheduler::KeepFor(JobRecord* record, std::vector<WorkerInfo>* idle) {
  const std::vector<WorkerInfo> attached = workers_->Attached();
  if (WorkersNeeded(record->job.spec) > attached.size()) return;
  if (!LoadFacts(record).ok()) return;  // it fails when it has enough workers
  const GangChoice choice = ChooseGang(record->job.spec, *record->facts, attached);
  if (!choice.fits) return SayNoRoom(record, choice);
  if (Waited(record->job, clock_->Now()) < kBackfill) return;
  std::erase_if(*idle, [&](const auto& worker) { return HasRoom(worker, choice.memory_bytes); });
}

void Scheduler::SayNoRoom(JobRecord* record, const GangChoice& choice) {
  const std::string why = absl::StrCat("no workers have the memory: ", choice.why_not);
  if (options_.fixed_fleet) return Fail(record, absl::ResourceExhaustedError(why));
  if (std::exchange(record->said_no_room, true)) return;
  jobs_->Record(record, Note{Severity::kWarning, -1, absl::StrCat("it waits: ", why)})
      .IgnoreError();
}

// A job that outlived a restart of the coordinator is checked again, under the lock: it is rare,
// and reads headers only.
absl::Status Scheduler::LoadFacts(JobRecord* record) {
  if (record->facts) return absl::OkStatus();
  ASSIGN_OR_RETURN(record->facts, CheckSpec(LocalSpec(record->job)));
  return absl::OkStatus();
}

absl::Status Scheduler::CheckDisk(const Plan& plan, int64_t written) const {
  const std::string& root = options_.artifact_root;
  ASSIGN_OR_RETURN(const int64_t free, options_.free_bytes(root));
  const int64_t left = std::max<int64_t>(0, plan.scratch_bytes - written);
  return CheckRoom("the artifacts and checkpoints", plan.export_bytes + left, root, free);
}

absl::Status Scheduler::StartGang(JobRecord* record, const std::vector<WorkerInfo>& gang) {
  const Job& job = record->job;
  const int size = static_cast<int>(gang.size());
  ASSIGN_OR_RETURN(const auto shapes, ShapesOf(job.spec, record->facts->config, size));
  GangFormed formed{job.generation + 1, {}};
  Gang ranks{formed.generation, {}, std::vector<bool>(gang.size(), false), {}};
  for (const WorkerInfo& worker : gang) {
    formed.ranks.push_back({worker.id, worker.host, worker.device});
    ranks.workers.push_back(worker.id);
  }
  const JobSpec spec = LocalSpec(job);
  ranks.heard = clock_->Now();
  const JobFolder folder = Folder(job.id);
  RETURN_IF_ERROR(folder.Prepare(ranks.generation));
  PlanMade planned{MakePlan(job.spec, *record->facts, shapes, gang)};
  RETURN_IF_ERROR(CheckDisk(planned.plan, folder.CheckpointBytes(ranks.generation)));
  // The whole gang or nothing of it.
  RETURN_IF_ERROR(jobs_->RecordAll(record, {StateChanged{JobState::kPlanning}, std::move(planned),
                                            std::move(formed), StateChanged{JobState::kRunning}}));
  RONDO_FAILPOINT("gang.recorded");

  record->gang = std::move(ranks);
  for (int rank = 0; rank < size; ++rank) {
    const WorkerInfo& worker = gang[rank];
    workers_->Reserve(worker.id, job.id);
    workers_->Link(worker.id)->StartRank({job.id, job.generation, rank, spec, *job.plan,
                                          worker.host, worker.device,
                                          folder.GenerationFolder(job.generation)});
  }
  RONDO_FAILPOINT("gang.started");
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

void Scheduler::OnWorkerLost(const WorkerId& worker, const std::string& why, Departure departure) {
  const bool left = departure == Departure::kLeft;
  if (left) {
    workers_->Remove(worker);
  } else {
    workers_->Lose(worker, clock_->Now());
  }
  const absl::Status lost = absl::UnavailableError(
      absl::StrCat("worker ", worker.value(), left ? " left" : " was lost", ": ", why));
  Log(left ? LogLevel::kInfo : LogLevel::kWarning, "coordinator", std::string(lost.message()));
  for (JobRecord* record : jobs_->Open()) {
    if (!record->gang) continue;
    const std::vector<WorkerId>& workers = record->gang->workers;
    const auto it = std::find(workers.begin(), workers.end(), worker);
    if (it == workers.end()) continue;
    const int rank = static_cast<int>(it - workers.begin());
    if (record->gang->ended[rank]) continue;
    if (left && !record->gang->stopping) record->gang->maintenance = true;
    OnRankEnded(record, rank, lost);
  }
}

void Scheduler::EndSilentGangs(absl::Duration silence) {
  const absl::Time now = clock_->Now();
  for (JobRecord* record : jobs_->Open()) {
    if (!record->gang || record->gang->stopping || now - record->gang->heard <= silence) continue;
    record->gang->stalled = absl::UnavailableError(
        absl::StrCat("no rank has reported anything for ", absl::ToInt64Seconds(silence),
                     " s; one of them is stuck"));
    LogWarning("coordinator", absl::StrCat("job ", record->job.id.value(), ": ",
                                           std::string(record->gang->stalled.message())));
    StopOthers(record);
  }
}

void Scheduler::HeardFromAll() {
  for (JobRecord* record : jobs_->Open()) {
    if (record->gang) record->gang->heard = clock_->Now();
  }
}

absl::Status Scheduler::Cancel(JobRecord* record, const std::string& by) {
  const Job& job = record->job;
  if (IsFinal(job.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.id.value(), " has ended (", JobStateName(job.state),
                     "); only a job that has not can be cancelled"));
  }
  RETURN_IF_ERROR(jobs_->Record(record, StateChanged{JobState::kCancelled, absl::OkStatus(), by}));
  RONDO_FAILPOINT("job.cancel.recorded");
  if (record->gang) {
    StopOthers(record);
  } else {
    Folder(job.id).RemoveAll();
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
  const Gang gang = *std::exchange(record->gang, std::nullopt);
  const Job& job = record->job;
  if (IsFinal(job.state)) {  // cancelled
    Folder(job.id).RemoveAll();
    return;
  }
  const absl::Status verdict = Verdict(gang);
  if (verdict.ok()) {
    if (const absl::Status done = Succeed(record); !done.ok()) Fail(record, done);
  } else if (!IsRetryable(verdict)) {
    Fail(record, verdict);
  } else if (!CountsAsRetry(gang, verdict)) {
    jobs_->Record(record, StateChanged{JobState::kRecovering, verdict}).IgnoreError();
  } else if (job.retries >= kMaxRetries) {
    Fail(record, Annotate(verdict, absl::StrCat("after ", job.retries + 1, " attempts")));
  } else {
    StateChanged recovering{JobState::kRecovering, verdict};
    recovering.retry = true;
    // A failure of the store is remembered there and seen by everybody who writes.
    jobs_->Record(record, recovering).IgnoreError();
    record->not_before = clock_->Now() + PauseAfter(job.retries);
  }
}

absl::Status Scheduler::Succeed(JobRecord* record) {
  const Job& job = record->job;
  if (job.artifacts.empty() && !job.spec.exports.empty()) {
    return absl::FailedPreconditionError("all ranks ended without publishing the artifacts");
  }
  const JobFolder folder = Folder(job.id);
  RETURN_IF_ERROR(folder.Publish(job.generation, job.artifacts));
  RETURN_IF_ERROR(jobs_->Record(record, StateChanged{JobState::kSucceeded}));
  RONDO_FAILPOINT("job.succeeded.recorded");
  folder.RemoveGenerations();
  return absl::OkStatus();
}

void Scheduler::Fail(JobRecord* record, const absl::Status& why) {
  const absl::Status named = NameSources(why, LocalPathsOf(record->job));
  const absl::Status recorded = jobs_->Record(record, StateChanged{JobState::kFailed, named});
  if (!recorded.ok()) return;
  RONDO_FAILPOINT("job.failed.recorded");
  Folder(record->job.id).RemoveAll();
}

}  // namespace rondo
