// Starts jobs on gangs of idle workers, in the order of queue.h, and decides what becomes of a job
// when its ranks have ended. All ranks of a gang are reserved at once or none is, and a worker gets
// only what it has the memory for. A job that needs more workers, or more memory, than are attached
// waits without holding up those behind it. One that needs only what others use now lets those
// behind it start for a while (kBackfill); then the idle workers that it can use are kept for it.
//
// A lost rank ends its generation: the others are told to stop, and when all have ended the job is
// RECOVERING and, after a pause that doubles, goes on with the next generation, at most kMaxRetries
// times. Generations that end because a worker was told to go or because the coordinator was
// started again are not counted among these. A gang that says nothing has a rank that is stuck,
// though its process may run: while one rank waits for the others, these have something to say.
//
// Guarded by its owner's lock. A failing store (JobTable::broken) stops all progress.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/rank_task.h"
#include "server/core/gang_choice.h"
#include "server/core/job_folder.h"
#include "server/core/job_table.h"
#include "server/core/worker_table.h"

namespace rondo {

// How a worker goes: without a word, or because it was told to.
enum class Departure { kLost, kLeft };

class Scheduler {
 public:
  static constexpr int kMaxRetries = 2;

  struct Options {
    std::string artifact_root;  // a job has the folder <artifact_root>/<job id>
    // No other workers will ever attach: a job that none has the memory for fails.
    bool fixed_fleet = false;
    // What may still be written below a folder.
    std::function<absl::StatusOr<int64_t>(const std::string& dir)> free_bytes;
  };
  // `jobs`, `workers`, `clock` must outlive the scheduler.
  Scheduler(JobTable* jobs, WorkerTable* workers, const Clock* clock, Options options)
      : jobs_(jobs), workers_(workers), clock_(clock), options_(std::move(options)) {}

  // After a start of the coordinator: jobs that were running have no ranks any more.
  absl::Status Recover();
  // Starts every job that can start now.
  void Schedule();

  void OnRankListening(JobRecord* record, const std::string& address);
  void OnRankEnded(JobRecord* record, int rank, const absl::Status& status);
  void OnWorkerLost(const WorkerId& worker, const std::string& why,
                    Departure departure = Departure::kLost);
  // Ends the generation of every gang of which no rank has said anything for so long.
  void EndSilentGangs(absl::Duration silence);
  // As if every gang had said something now.
  void HeardFromAll();
  // FAILED_PRECONDITION: the job has ended.
  absl::Status Cancel(JobRecord* record, const std::string& by);
  // REQUIRES: the job has no gang. Its message names sources in S3 by their names.
  void Fail(JobRecord* record, const absl::Status& why);

  std::string ArtifactDir(const JobId& id) const {
    return options_.artifact_root + "/" + id.value();
  }

 private:
  // Moves the first job that can be moved; false: there is none.
  bool StartNext();
  // Moves the job on, or to FAILED with what is in the way; false: it waits.
  bool TryStart(JobRecord* record, const std::vector<WorkerInfo>& idle);
  // Of `idle`, those that must stay so for a job that waits.
  void KeepFor(JobRecord* record, std::vector<WorkerInfo>* idle);
  void SayNoRoom(JobRecord* record, const GangChoice& choice);
  absl::Status StartGang(JobRecord* record, const std::vector<WorkerInfo>& gang);
  JobFolder Folder(const JobId& id) const { return JobFolder(ArtifactDir(id)); }
  absl::Status LoadFacts(JobRecord* record);
  // Whether what the job will write finds room; `written` bytes of its checkpoint are there.
  absl::Status CheckDisk(const Plan& plan, int64_t written) const;
  void StopOthers(JobRecord* record);
  void RemoveLeftovers();
  void Settle(JobRecord* record);
  absl::Status Succeed(JobRecord* record);

  JobTable* const jobs_;
  WorkerTable* const workers_;
  const Clock* const clock_;
  const Options options_;
};

}  // namespace rondo
