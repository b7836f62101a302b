// Watching a job to its end, as the commands that wait for one do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/canceller.h"
#include "client/lib/client.h"
#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

struct FollowedJob {
  Job job;  // as it ended
  std::vector<Note> notes;
};

// Shows the events after number `after`: with `json` one JSON object a line on stdout, else
// progress on stderr.
absl::StatusOr<FollowedJob> Follow(RondoClient* client, const JobId& id, int64_t after, bool json);

// Submits and follows; the job is cancelled when `canceller` says so.
absl::StatusOr<FollowedJob> SubmitAndFollow(RondoClient* client, const JobSpec& spec,
                                            const std::string& request_id, bool json,
                                            Canceller* canceller);

// A random one when `given` is empty.
std::string RequestId(const std::string& given);

}  // namespace rondo
