// The ranks that run one generation of a job, and what becomes of the job when they have ended.
// Pure values; guarded by their owner's lock.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace rondo {

struct Gang {
  int64_t generation = 0;
  std::vector<WorkerId> workers;   // by rank
  std::vector<bool> ended;         // by rank
  std::vector<absl::Status> ends;  // in the order in which ranks ended
  bool stopping = false;           // the others were told to end
  bool maintenance = false;        // it ends because a worker was told to go
  absl::Time heard;                // when any of its ranks said something, or it started
  absl::Status stalled;            // why it was ended, when nobody did

  bool Ended() const { return ends.size() == workers.size(); }
};

// Whether another attempt may end differently: a rank or a worker was lost. Other errors lie in
// the job itself.
bool IsRetryable(const absl::Status& status);

// Whether the end of the gang counts against the job's retries: not when a worker was told to go.
bool CountsAsRetry(const Gang& gang, const absl::Status& verdict);

// What ended the gang: the first error that lies in the job, else the first one that is not just
// the loss of a peer, else the first error, `stalled` rather than being told to stop; OK when all
// ranks succeeded.
absl::Status Verdict(const Gang& gang);

}  // namespace rondo
