// Room on a disk. Thread-safe functions.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace rondo {

// What this process may still write on the file system of `path`, or of the nearest folder above it
// that exists.
absl::StatusOr<int64_t> FreeBytes(const std::string& path);

// RESOURCE_EXHAUSTED with both figures when `free` is less than `needed`. `what` begins the
// sentence.
absl::Status CheckRoom(const std::string& what, int64_t needed, const std::string& path,
                       int64_t free);

}  // namespace rondo
