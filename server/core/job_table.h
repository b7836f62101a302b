// All jobs in memory, each the fold of its events, and the only way to change one: an event that
// is in the store first. Guarded by its owner's lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/job.h"
#include "server/core/admission.h"
#include "server/core/gang.h"
#include "server/store/job_store.h"

namespace rondo {

struct JobRecord {
  Job job;
  std::optional<ModelFacts> facts;  // absent: not read since the coordinator started
  std::optional<Gang> gang;         // the ranks that have not all ended
  int retries = 0;                  // generations lost since the coordinator started
};

class JobTable {
 public:
  // `store`, `clock` must outlive the table.
  static absl::StatusOr<JobTable> Load(JobStore* store, const Clock* clock);

  // Adds a job that the store already has, with its event 1.
  JobRecord& Add(Job job, const JobEvent& first, ModelFacts facts);
  JobRecord* Find(const JobId& id);                 // null: no such job
  absl::StatusOr<JobRecord*> Get(const JobId& id);  // NOT_FOUND in words

  // Stamps, stores and applies an event. A change of state that the diagram of
  // common/domain/job.h does not have is INTERNAL.
  absl::Status Record(JobRecord* record, EventBody body);

  // The first failure of the store; nothing is recorded after it, so that memory never runs ahead.
  const absl::Status& broken() const { return broken_; }

  std::vector<JobRecord*> Open();  // not final, or with ranks that have not ended; oldest first

  // The page of jobs created before number `before` (0: the newest), newest first, and the number
  // to go on with (0: none are left).
  std::pair<std::vector<Job>, int64_t> Page(int size, int64_t before) const;

 private:
  JobTable(JobStore* store, const Clock* clock) : store_(store), clock_(clock) {}
  JobStore* store_;
  const Clock* clock_;
  std::map<JobId, JobRecord> jobs_;
  std::vector<JobId> order_;  // oldest first
  absl::Status broken_;
};

}  // namespace rondo
