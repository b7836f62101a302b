// Brings here what jobs name in S3, on threads of its own: several jobs at a time, first come first
// served. Thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/base/ids.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/job.h"
#include "server/core/admission.h"
#include "server/core/source_cache.h"

namespace rondo {

// Who has jobs to fetch for. Called on the fetcher's threads, without its lock.
class SourceListener {
 public:
  virtual ~SourceListener() = default;
  // Asked again and again while it fetches; false ends that.
  virtual bool IsFetchWanted(const JobId& job) = 0;
  virtual void OnFetchProgress(const JobId& job, const Progress& progress) = 0;
  // Until other jobs need their downloads no more.
  virtual void OnFetchWaits(const JobId& job, const std::string& why) = 0;
  virtual void OnSourceFetched(const JobId& job, const SourceFetched& fetched) = 0;
  // The last call for a job: everything is here, and what it is was checked; or why not.
  virtual void OnFetchEnded(const JobId& job, const absl::StatusOr<ModelFacts>& facts) = 0;
};

class SourceFetcher {
 public:
  // Both must outlive the fetcher.
  SourceFetcher(const SourceCache* cache, SourceListener* listener)
      : cache_(cache), listener_(listener) {}
  ~SourceFetcher();

  // `bound`: what earlier generations of the job read.
  void Add(const JobId& job, const JobSpec& spec,
           const std::map<std::string, SourceFetched>& bound);
  // To be called about every second. What was fetched for other jobs than these may go from now on;
  // jobs that wait for room look again.
  void KeepOnlyFor(const std::set<JobId>& jobs);
  // Ends what goes on within about a second; nothing is begun any more. Does not wait.
  void Stop();

 private:
  using Holds = std::map<std::string, FileDescriptor>;  // by content
  struct Task {
    JobId job;
    JobSpec spec;
    std::map<std::string, SourceFetched> bound;
    Holds holds;
    bool waits = false;  // for room, and has said so
  };
  void Run();
  // Goes on with the task, or with waiting; then its holds are gone.
  void Do(Task task);
  // Absent: there is no room yet.
  absl::StatusOr<std::optional<ModelFacts>> FetchAll(Task* task);
  absl::Status FetchOne(S3Client* client, const FoundSource& source, Task* task,
                        const StopRequested& stop);
  // What is here of what earlier generations read.
  Holds Hold(const JobSpec& spec, const std::map<std::string, SourceFetched>& bound) const;
  bool stopping();

  const SourceCache* const cache_;
  SourceListener* const listener_;
  Mutex mu_;
  CondVar changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  size_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // threads that wait for a task
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  std::deque<Task> waiting_ ABSL_GUARDED_BY(mu_);                    // for room
  std::chrono::steady_clock::time_point look_ ABSL_GUARDED_BY(mu_);  // when these try again
  std::map<JobId, Holds> holds_ ABSL_GUARDED_BY(mu_);                // of what is here
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rondo
