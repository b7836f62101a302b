// Files of a folder that can be made again, of which those that were not used for the longest time
// make room for others. Who has one open or mapped keeps what he has. Thread-safe functions.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace rondo {

// Room for a new file of `bytes`, whose name begins with `prefix` like that of all others which
// may go: under the quota (0: there is none) and on the disk. What was begun more than a day ago
// and never completed (kPartialSuffix) goes in any case. RESOURCE_EXHAUSTED when the quota is
// smaller than the file; a disk that is full of other things is not looked at here.
absl::Status MakeCacheRoom(const std::string& dir, const std::string& prefix, int64_t bytes,
                           int64_t quota_bytes);

// A file's time is that of its last use.
void MarkUsed(const std::string& path);

}  // namespace rondo
