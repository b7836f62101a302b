// All jobs in memory, each the fold of its events, and the only way to change one: an event that
// is in the store first. Guarded by its owner's lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/domain/job.h"
#include "server/core/admission.h"
#include "server/core/gang.h"
#include "server/store/job_store.h"

namespace rondo {

struct JobRecord {
  Job job;
  std::optional<ModelFacts> facts;               // absent: not read since the start, or job ended
  bool fetching = false;                         // what it names in S3 is not here yet
  std::optional<Gang> gang;                      // the ranks that have not all ended
  absl::Time not_before = absl::InfinitePast();  // of the next generation
  bool said_no_room = false;                     // no attached worker has the memory
  CondVar changed;                               // the job has new events, or WakeAll()
};

class JobTable {
 public:
  // `store`, `clock` must outlive the table.
  static absl::StatusOr<JobTable> Load(JobStore* store, const Clock* clock);

  // Adds a job that the store already has, with its event 1.
  JobRecord& Add(Job job, const JobEvent& first, ModelFacts facts);
  JobRecord* Find(const JobId& id);                 // null: no such job
  absl::StatusOr<JobRecord*> Get(const JobId& id);  // NOT_FOUND in words

  // Stamps, stores and applies events, all or none. A change of state that the diagram of
  // common/domain/job.h does not have is INTERNAL. The error of a store that failed is the store's.
  absl::Status Record(JobRecord* record, EventBody body);
  absl::Status RecordAll(JobRecord* record, std::vector<EventBody> bodies);

  // Why nothing is recorded any more, UNAVAILABLE: what a disk that failed holds is known only to
  // the process that opens the store again, and memory must never run ahead of it.
  const absl::Status& broken() const { return broken_; }
  // Remembers the store's first failure, and returns it.
  absl::Status Broke(const absl::Status& failure);

  // Ends the waits for events of every job.
  void WakeAll();

  std::vector<JobRecord*> Open();  // not final, or with ranks that have not ended; oldest first

  // Of all jobs, those that have ended too: looks at each of them.
  std::map<JobState, int64_t> CountByState() const;

  // The page of jobs created before number `before` (0: the newest), newest first, and the number
  // to go on with (0: none are left).
  std::pair<std::vector<Job>, int64_t> Page(int size, int64_t before) const;

 private:
  JobTable(JobStore* store, const Clock* clock) : store_(store), clock_(clock) {}
  JobStore* store_;
  const Clock* clock_;
  std::map<JobId, JobRecord> jobs_;
  std::vector<JobId> order_;      // oldest first
  std::vector<JobRecord*> open_;  // what Open() finds is among these
  absl::Status broken_;
};

}  // namespace rondo
