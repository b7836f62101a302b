// Where jobs and their events are kept. Append-only: a job is the fold of its events
// (common/domain/job.h). When a call that writes returns OK, what it wrote survives a crash of the
// process and of the machine; when it returns an error nothing was written: RESOURCE_EXHAUSTED for
// a full disk, INTERNAL for any other failure of the disk. (Only when a crash follows that INTERNAL
// may it turn out to have been written.) Implementations are thread-safe; one process owns a store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

struct CreatedJob {
  JobId id;
  bool existed = false;  // the request id was known, with the same spec
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  // The job that a request id made, if any. INVALID_ARGUMENT when it was made with another spec.
  virtual absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& request_id,
                                                           const JobSpec& spec) = 0;

  // Writes id, request_id, spec and creation time of `job`, and `first` as event 1, together. When
  // the request id is known, writes nothing and answers as FindRequest.
  virtual absl::StatusOr<CreatedJob> Create(const Job& job, const JobEvent& first) = 0;

  // Gives the events the job's next numbers and returns the first. All are written or none is.
  // NOT_FOUND: no such job. REQUIRES: there are events.
  virtual absl::StatusOr<int64_t> Append(const JobId& id, const std::vector<JobEvent>& events) = 0;

  // At most `limit` events with numbers above `after`, in order.
  virtual absl::StatusOr<std::vector<JobEvent>> ReadEvents(const JobId& id, int64_t after,
                                                           int limit) = 0;

  // Every job, folded, oldest first.
  virtual absl::StatusOr<std::vector<Job>> LoadJobs() = 0;
};

}  // namespace rondo
