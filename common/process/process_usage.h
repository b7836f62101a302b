// What a process holds, out of /proc. Thread-safe function.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "common/base/status.h"

namespace rondo {

struct ProcessUsage {
  double cpu_seconds = 0;
  int64_t resident_bytes = 0;
  int64_t open_fds = 0;
  int64_t threads = 0;
  double start_time_seconds = 0;  // since 1970
};

// NOT_FOUND: there is no such process, or it is another user's.
absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid);

}  // namespace rondo
