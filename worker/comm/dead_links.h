// Links to peers that no longer answer.
#pragma once

#include "absl/time/time.h"
#include "common/base/status.h"

namespace rondo {

// Every TCP connection that this process has now fails (ETIMEDOUT, to whoever waits on it) once the
// other side's kernel has acknowledged nothing for `silence`. By default that takes a quarter of an
// hour, or, for a side that only waits, for ever. A peer that computes acknowledges. No other way
// leads to the sockets of c10d.
absl::Status EndDeadLinksAfter(absl::Duration silence);

}  // namespace rondo
