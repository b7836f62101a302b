#include "server/core/coordinator.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/base/log.h"
#include "common/io/file.h"
#include "server/core/planner.h"
#include "server/core/queue.h"
#include "server/core/source_preview.h"
#include "server/core/sources.h"

namespace rondo {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 500;
constexpr size_t kLongestRequestId = 128;
constexpr int kEventBatch = 256;
constexpr absl::Duration kLostWorkersShown = absl::Minutes(10);

absl::Status CheckRequestId(const std::string& request_id) {
  RETURN_IF_ERROR(ValidateFileName("request_id", request_id));
  if (request_id.size() <= kLongestRequestId) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "request_id is ", request_id.size(), " bytes long; it must be 1 to ", kLongestRequestId));
}

// What a rank may say; the rest is the coordinator's to say.
bool IsRankEvent(const EventBody& body) {
  return !std::holds_alternative<StateChanged>(body) && !std::holds_alternative<GangFormed>(body) &&
         !std::holds_alternative<PlanMade>(body) && !std::holds_alternative<SourceFetched>(body);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(const Options& options) {
  RETURN_IF_ERROR(MakeDirs(options.artifact_root));
  ASSIGN_OR_RETURN(JobTable jobs, JobTable::Load(options.store, options.clock));
  std::unique_ptr<Coordinator> coordinator(new Coordinator(options, std::move(jobs)));
  MutexLock lock(&coordinator->mu_);
  RETURN_IF_ERROR(coordinator->scheduler_.Recover());
  for (JobRecord* record : coordinator->jobs_.Open()) coordinator->FetchSources(record);
  return coordinator;
}

Coordinator::Coordinator(const Options& options, JobTable jobs)
    : options_(options),
      sources_(options.s3,
               {options.download_root.empty() ? JoinPath(options.artifact_root, "downloads")
                                              : options.download_root,
                options.download_quota_bytes}),
      jobs_(std::move(jobs)),
      scheduler_(&jobs_, &workers_, options.clock,
                 {options.artifact_root, options.fixed_fleet, options.free_bytes}),
      last_tick_(options.clock->Now()) {}

void Coordinator::Schedule() {
  if (!draining_) scheduler_.Schedule();
}

absl::Status Coordinator::RefuseIfDraining() {
  if (!draining_) return absl::OkStatus();
  return absl::UnavailableError("the server is shutting down; try again");
}

absl::Status Coordinator::CheckQueueLimit(const Submitter& submitter) {
  if (submitter.max_queued_jobs == 0) return absl::OkStatus();
  const std::vector<JobRecord*> open = jobs_.Open();
  const int64_t queued = std::count_if(open.begin(), open.end(), [&](const JobRecord* record) {
    return record->job.state == JobState::kQueued && record->job.owner == submitter.name;
  });
  if (queued < submitter.max_queued_jobs) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(submitter.name, " has ", queued, " jobs in the queue, of ",
                   submitter.max_queued_jobs, "; wait until one has started, or cancel one"));
}

absl::StatusOr<Submission> Coordinator::Submit(const std::string& request_id, const JobSpec& spec,
                                               const Submitter& submitter) {
  RETURN_IF_ERROR(CheckRequestId(request_id));
  ASSIGN_OR_RETURN(const std::optional<JobId> known, options_.store->FindRequest(request_id, spec));
  if (known) {
    ASSIGN_OR_RETURN(Job job, Get(*known));
    return Submission{std::move(job), true};
  }
  ASSIGN_OR_RETURN(ModelFacts facts, CheckRemoteSpec(spec, sources_));

  MutexLock lock(&mu_);
  RETURN_IF_ERROR(RefuseIfDraining());
  RETURN_IF_ERROR(jobs_.broken());
  RETURN_IF_ERROR(CheckQueueLimit(submitter));
  Job job;
  job.id = JobId("j-" + RandomHexId().substr(0, 16));
  job.request_id = request_id;
  job.spec = spec;
  job.created = options_.clock->Now();
  const StateChanged queued{JobState::kQueued, absl::OkStatus(), submitter.name};
  const JobEvent first{1, job.created, 0, queued};
  const absl::StatusOr<CreatedJob> created = options_.store->Create(job, first);
  // A full disk has refused one job; what else fails leaves the disk in doubt.
  if (absl::IsInternal(created.status())) return jobs_.Broke(created.status());
  RETURN_IF_ERROR(created.status());
  if (!created->existed) FetchSources(&jobs_.Add(std::move(job), first, std::move(facts)));
  Schedule();
  ASSIGN_OR_RETURN(const JobRecord* record, jobs_.Get(created->id));
  return Submission{record->job, created->existed};
}

absl::StatusOr<Plan> Coordinator::ValidateJob(const JobSpec& spec) {
  ASSIGN_OR_RETURN(const ModelFacts facts, CheckRemoteSpec(spec, sources_));
  MutexLock lock(&mu_);
  const std::vector<WorkerInfo> workers = ChooseGang(spec, facts, workers_.Attached()).workers;
  const int ranks = RanksFor(spec, facts.config, static_cast<int>(workers.size()));
  ASSIGN_OR_RETURN(const auto shapes, ShapesOf(spec, facts.config, ranks));
  return MakePlan(spec, facts, shapes, workers);
}

absl::StatusOr<Job> Coordinator::Get(const JobId& id) {
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(const JobRecord* record, jobs_.Get(id));
  return record->job;
}

absl::StatusOr<JobList> Coordinator::List(int page_size, const std::string& page_token) {
  if (page_size < 0) {
    return absl::InvalidArgumentError(absl::StrCat("page_size is ", page_size, "; it must be 0 (",
                                                   kDefaultPage, ") to ", kLargestPage));
  }
  int64_t before = 0;
  if (!page_token.empty() && (!absl::SimpleAtoi(page_token, &before) || before <= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_token is \"", page_token, "\"; it must be a next_page_token, or empty"));
  }
  const int size = page_size == 0 ? kDefaultPage : std::min(page_size, kLargestPage);
  MutexLock lock(&mu_);
  auto [jobs, next] = jobs_.Page(size, before);
  return JobList{std::move(jobs), next == 0 ? "" : absl::StrCat(next)};
}

absl::StatusOr<Job> Coordinator::Cancel(const JobId& id, const std::string& by) {
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(JobRecord * record, jobs_.Get(id));
  RETURN_IF_ERROR(scheduler_.Cancel(record, by));
  Schedule();
  return record->job;
}

absl::StatusOr<EventBatch> Coordinator::WaitForEvents(const JobId& id, int64_t after,
                                                      std::chrono::nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  int64_t last = 0;
  bool final_state = false;
  {
    MutexLock lock(&mu_);
    ASSIGN_OR_RETURN(JobRecord * record, jobs_.Get(id));
    const Job& job = record->job;
    if (after < 0 || after > job.last_event) {
      return absl::OutOfRangeError(absl::StrCat("after_event is ", after, "; job ", id.value(),
                                                " has events 1 to ", job.last_event));
    }
    while (job.last_event == after && !IsFinal(job.state)) {
      RETURN_IF_ERROR(RefuseIfDraining());
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0 || !record->changed.WaitFor(&mu_, left)) break;
    }
    last = job.last_event;
    final_state = IsFinal(job.state);
  }
  EventBatch batch;
  ASSIGN_OR_RETURN(batch.events, options_.store->ReadEvents(id, after, kEventBatch));
  const int64_t reached = batch.events.empty() ? after : batch.events.back().number;
  batch.ended = final_state && reached >= last;
  return batch;
}

absl::StatusOr<JobRecord*> Coordinator::Succeeded(const JobId& id) {
  ASSIGN_OR_RETURN(JobRecord * record, jobs_.Get(id));
  if (record->job.state == JobState::kSucceeded) return record;
  return absl::FailedPreconditionError(absl::StrCat("job ", id.value(), " is ",
                                                    JobStateName(record->job.state),
                                                    "; artifacts are there once it is SUCCEEDED"));
}

absl::StatusOr<std::vector<ArtifactInfo>> Coordinator::Artifacts(const JobId& id) {
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(const JobRecord* record, Succeeded(id));
  return record->job.artifacts;
}

absl::StatusOr<ArtifactFile> Coordinator::Artifact(const JobId& id, ExportFormat format,
                                                   const std::string& name) {
  RETURN_IF_ERROR(ValidateFileName("artifact name", name));
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(const JobRecord* record, Succeeded(id));
  for (const ArtifactInfo& artifact : record->job.artifacts) {
    if (artifact.format != format || artifact.name != name) continue;
    return ArtifactFile{artifact, options_.artifact_root,
                        JoinPath(JoinPath(id.value(), ExportFormatName(format)), name)};
  }
  return absl::NotFoundError(absl::StrCat("job ", id.value(), " has no ", ExportFormatName(format),
                                          " artifact \"", name, "\""));
}

std::vector<WorkerInfo> Coordinator::ListWorkers() {
  MutexLock lock(&mu_);
  return workers_.List();
}

absl::StatusOr<AgentSession> Coordinator::AttachAgent(const WorkerInfo& info, AgentLink* link) {
  MutexLock lock(&mu_);
  RETURN_IF_ERROR(RefuseIfDraining());
  RETURN_IF_ERROR(jobs_.broken());
  if (workers_.IsAttached(info.id)) scheduler_.OnWorkerLost(info.id, "it attached again");
  const AgentSession session = workers_.Attach(info, link, options_.clock->Now());
  LogInfo("coordinator",
          absl::StrCat("worker ", info.id.value(), " attached: ", info.host, " ", info.device));
  Schedule();
  return session;
}

void Coordinator::DetachAgent(const AgentSession& session, const std::string& why,
                              Departure departure) {
  MutexLock lock(&mu_);
  if (!workers_.IsCurrent(session)) return;
  if (draining_) {
    workers_.Lose(session.worker, options_.clock->Now());
    return;
  }
  scheduler_.OnWorkerLost(session.worker, why, departure);
  Schedule();
}

absl::Status Coordinator::OnHeartbeat(const AgentSession& session) {
  MutexLock lock(&mu_);
  if (!workers_.IsCurrent(session)) {
    return absl::FailedPreconditionError("this attachment is over; attach again");
  }
  workers_.Heard(session.worker, options_.clock->Now());
  return absl::OkStatus();
}

JobRecord* Coordinator::RecordOfRank(const WorkerId& worker, const JobId& job, int64_t generation,
                                     int rank) {
  JobRecord* record = jobs_.Find(job);
  if (record == nullptr || !record->gang || record->gang->generation != generation) return nullptr;
  const Gang& gang = *record->gang;
  if (rank < 0 || rank >= static_cast<int>(gang.workers.size())) return nullptr;
  return gang.workers[rank] == worker && !gang.ended[rank] ? record : nullptr;
}

absl::Status Coordinator::OnRankReport(const AgentSession& session, const JobId& job,
                                       int64_t generation, int rank, const RankReport& report) {
  RETURN_IF_ERROR(OnHeartbeat(session));
  MutexLock lock(&mu_);
  RETURN_IF_ERROR(RefuseIfDraining());
  JobRecord* record = RecordOfRank(session.worker, job, generation, rank);
  if (record == nullptr) {
    ++stale_reports_;
    return absl::OkStatus();
  }
  record->gang->heard = options_.clock->Now();
  RETURN_IF_ERROR(ApplyReport(record, rank, report));
  Schedule();
  return absl::OkStatus();
}

absl::Status Coordinator::ApplyReport(JobRecord* record, int rank, const RankReport& report) {
  if (const auto* listening = std::get_if<RankListening>(&report)) {
    if (rank == 0) scheduler_.OnRankListening(record, listening->address);
    return absl::OkStatus();
  }
  if (const auto* finished = std::get_if<RankFinished>(&report)) {
    scheduler_.OnRankEnded(record, rank, finished->status);
    return absl::OkStatus();
  }
  const EventBody& body = std::get<JobEvent>(report).body;
  if (!IsRankEvent(body)) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " of job ",
                                                   record->job.id.value(),
                                                   " reported an event that is not a rank's"));
  }
  // Of a job that was cancelled meanwhile nothing more is said.
  if (record->job.state != JobState::kRunning) return absl::OkStatus();
  return jobs_.Record(record, body);
}

void Coordinator::Tick() {
  MutexLock lock(&mu_);
  const absl::Time now = options_.clock->Now();
  if (now - last_tick_ > options_.worker_silence / 2) {
    workers_.HeardFromAll(now);
    scheduler_.HeardFromAll();
  }
  last_tick_ = now;
  for (const WorkerId& id : workers_.SilentSince(now - options_.worker_silence)) {
    scheduler_.OnWorkerLost(
        id, absl::StrCat("no heartbeat for ", absl::ToInt64Seconds(options_.worker_silence), " s"));
  }
  scheduler_.EndSilentGangs(options_.stall);
  workers_.ForgetLostBefore(now - kLostWorkersShown);
  Schedule();
  std::set<JobId> open;
  for (const JobRecord* record : jobs_.Open()) open.insert(record->job.id);
  fetcher_.KeepOnlyFor(open);
}

JobRecord* Coordinator::Fetching(const JobId& job) {
  JobRecord* record = jobs_.Find(job);
  const bool wanted = record != nullptr && record->fetching && !IsFinal(record->job.state);
  return wanted && !draining_ && jobs_.broken().ok() ? record : nullptr;
}

void Coordinator::FetchSources(JobRecord* record) {
  const Job& job = record->job;
  if (IsFinal(job.state) || RemoteSources(job.spec).empty()) return;
  record->fetching = true;
  fetcher_.Add(job.id, job.spec, job.sources);
}

bool Coordinator::IsFetchWanted(const JobId& job) {
  MutexLock lock(&mu_);
  return Fetching(job) != nullptr;
}

// What the store refuses to take of the next four it remembers itself.
void Coordinator::OnFetchProgress(const JobId& job, const Progress& progress) {
  MutexLock lock(&mu_);
  if (JobRecord* record = Fetching(job)) jobs_.Record(record, progress).IgnoreError();
}

void Coordinator::OnFetchWaits(const JobId& job, const std::string& why) {
  MutexLock lock(&mu_);
  JobRecord* record = Fetching(job);
  if (record == nullptr) return;
  jobs_.Record(record, Note{Severity::kInfo, -1, absl::StrCat("it waits: ", why)}).IgnoreError();
}

void Coordinator::OnSourceFetched(const JobId& job, const SourceFetched& fetched) {
  MutexLock lock(&mu_);
  if (JobRecord* record = Fetching(job)) jobs_.Record(record, fetched).IgnoreError();
}

void Coordinator::OnFetchEnded(const JobId& job, const absl::StatusOr<ModelFacts>& facts) {
  MutexLock lock(&mu_);
  JobRecord* record = Fetching(job);
  if (record == nullptr) return;
  record->fetching = false;
  if (facts.ok()) {
    record->facts = *facts;
    Schedule();
  } else {
    scheduler_.Fail(record, facts.status());
  }
}

void Coordinator::Drain() {
  fetcher_.Stop();
  MutexLock lock(&mu_);
  draining_ = true;
  jobs_.WakeAll();
}

absl::Status Coordinator::health() {
  MutexLock lock(&mu_);
  return jobs_.broken();
}

std::map<JobState, int64_t> Coordinator::CountJobs() {
  MutexLock lock(&mu_);
  return jobs_.CountByState();
}

int64_t Coordinator::queue_depth() {
  MutexLock lock(&mu_);
  return static_cast<int64_t>(InOrder(jobs_.Open(), options_.clock->Now()).size());
}

int64_t Coordinator::stale_reports() {
  MutexLock lock(&mu_);
  return stale_reports_;
}

}  // namespace rondo
