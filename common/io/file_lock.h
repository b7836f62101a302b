// Locks between processes, and between threads that open them apart: flock() on a file that exists
// for nothing else. Freed when the descriptor closes, at the latest with the process. Thread-safe
// functions.
#pragma once

#include <functional>
#include <string>

#include "common/base/status.h"
#include "common/io/posix.h"

namespace rondo {

enum class FileLock { kShared, kExclusive };

// Makes the file when it is missing. Without a descriptor (-1): somebody else's lock is in the way.
absl::StatusOr<FileDescriptor> TryLockFile(const std::string& path, FileLock kind);

// Waits for it; CANCELLED when `stop` says so.
absl::StatusOr<FileDescriptor> LockFile(const std::string& path, FileLock kind,
                                        const std::function<bool()>& stop);

// Other holders may come from now on.
absl::Status ShareLock(const FileDescriptor& held, const std::string& path);

}  // namespace rondo
