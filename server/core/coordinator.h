// The coordinator: takes jobs, spreads them over the attached workers and keeps their history.
// Knows nothing of the network: server/rpc calls it, and implements AgentLink.
//
// Thread-safe. What a call has answered is in the store. When the store fails, every call that
// would write is UNAVAILABLE and health() says why; a new process goes on from what was stored.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/rank_task.h"
#include "common/domain/worker_info.h"
#include "common/io/disk.h"
#include "common/s3/s3_options.h"
#include "server/core/agent_link.h"
#include "server/core/job_table.h"
#include "server/core/scheduler.h"
#include "server/core/source_cache.h"
#include "server/core/source_fetcher.h"
#include "server/core/worker_table.h"
#include "server/store/job_store.h"

namespace rondo {

struct Submission {
  Job job;
  bool existed = false;  // the request id was known
};

// Who submits.
struct Submitter {
  std::string name;             // empty: nobody is told apart
  int64_t max_queued_jobs = 0;  // of this name; 0: any number
};

struct JobList {
  std::vector<Job> jobs;        // newest first
  std::string next_page_token;  // empty: this was the last page
};

struct EventBatch {
  std::vector<JobEvent> events;
  bool ended = false;  // the job has ended and these are its last events
};

struct ArtifactFile {
  ArtifactInfo info;
  std::string root;  // the artifacts of all jobs
  std::string path;  // below `root`
};

class Coordinator final : private SourceListener {
 public:
  struct Options {
    JobStore* store = nullptr;     // must outlive the coordinator
    const Clock* clock = nullptr;  // likewise
    std::string artifact_root;     // a folder that coordinator and workers share
    absl::Duration worker_silence = absl::Seconds(30);  // after which a worker is lost
    // After which a gang that reports nothing has a stuck rank. As long as a rank waits for a
    // peer's message (worker/comm/communicator.h): a stage may compute that long.
    absl::Duration stall = absl::Minutes(30);
    // No other workers will ever attach than those that a job asks for.
    bool fixed_fleet = false;
    // What may still be written below a folder.
    std::function<absl::StatusOr<int64_t>(const std::string& dir)> free_bytes = FreeBytes;
    S3Options s3;                      // for jobs that name models or data in S3
    std::string download_root = {};    // where those go, shared as well; empty: below artifact_root
    int64_t download_quota_bytes = 0;  // of those; 0: as many as the disk has room for
  };
  // Takes up every job of the store that has not ended.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(const Options& options);

  // For clients.
  // RESOURCE_EXHAUSTED when the submitter has as many jobs in the queue as it may.
  absl::StatusOr<Submission> Submit(const std::string& request_id, const JobSpec& spec,
                                    const Submitter& submitter = {});
  absl::StatusOr<Plan> ValidateJob(const JobSpec& spec);
  absl::StatusOr<Job> Get(const JobId& id);
  absl::StatusOr<JobList> List(int page_size, const std::string& page_token);
  absl::StatusOr<Job> Cancel(const JobId& id, const std::string& by = "");
  // Events after number `after`; waits up to `timeout` for the first. OUT_OF_RANGE when the job
  // has fewer events than `after`.
  absl::StatusOr<EventBatch> WaitForEvents(const JobId& id, int64_t after,
                                           std::chrono::nanoseconds timeout);
  // FAILED_PRECONDITION until the job has SUCCEEDED.
  absl::StatusOr<std::vector<ArtifactInfo>> Artifacts(const JobId& id);
  absl::StatusOr<ArtifactFile> Artifact(const JobId& id, ExportFormat format,
                                        const std::string& name);
  std::vector<WorkerInfo> ListWorkers();

  absl::Duration lease() const { return options_.worker_silence; }

  // For agents. `link` must live until DetachAgent returned. A worker that attaches again is taken
  // to have been lost before. What comes with a session that is over is FAILED_PRECONDITION.
  absl::StatusOr<AgentSession> AttachAgent(const WorkerInfo& info, AgentLink* link);
  void DetachAgent(const AgentSession& session, const std::string& why,
                   Departure departure = Departure::kLost);
  absl::Status OnHeartbeat(const AgentSession& session);
  // Reports of older generations and of ranks that have ended are dropped and counted.
  absl::Status OnRankReport(const AgentSession& session, const JobId& job, int64_t generation,
                            int rank, const RankReport& report);

  // Takes silent workers for lost, ends gangs that are stuck, and starts what has waited long
  // enough. To be called about every second; when it was not for half a lease, this process had
  // stopped, not the workers.
  void Tick();
  // Before the process ends: new jobs, agents and reports are refused, waiting calls end, all with
  // UNAVAILABLE, and no job changes any more; the next process on the store takes them up.
  void Drain();

  absl::Status health();
  std::map<JobState, int64_t> CountJobs();
  int64_t queue_depth();  // jobs that would start now if they had the workers
  int64_t stale_reports();

 private:
  explicit Coordinator(const Options& options, JobTable jobs);
  // Ends every call that may have changed something: starts what can start.
  void Schedule() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RefuseIfDraining() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckQueueLimit(const Submitter& submitter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null for a report that is out of date.
  JobRecord* RecordOfRank(const WorkerId& worker, const JobId& job, int64_t generation, int rank)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status ApplyReport(JobRecord* record, int rank, const RankReport& report)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // SourceListener.
  bool IsFetchWanted(const JobId& job) override;
  void OnFetchProgress(const JobId& job, const Progress& progress) override;
  void OnFetchWaits(const JobId& job, const std::string& why) override;
  void OnSourceFetched(const JobId& job, const SourceFetched& fetched) override;
  void OnFetchEnded(const JobId& job, const absl::StatusOr<ModelFacts>& facts) override;
  // Null when nothing is to be fetched for it any more.
  JobRecord* Fetching(const JobId& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Begins what the job waits for when it names something in S3.
  void FetchSources(JobRecord* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<JobRecord*> Succeeded(const JobId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const SourceCache sources_;
  Mutex mu_;
  JobTable jobs_ ABSL_GUARDED_BY(mu_);
  WorkerTable workers_ ABSL_GUARDED_BY(mu_);
  Scheduler scheduler_ ABSL_GUARDED_BY(mu_);
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time last_tick_ ABSL_GUARDED_BY(mu_);
  int64_t stale_reports_ ABSL_GUARDED_BY(mu_) = 0;
  SourceFetcher fetcher_{&sources_, this};  // the first to go: its threads use the rest
};

}  // namespace rondo
