// Opening a file below a folder, whatever the name says. Thread-safe functions.
#pragma once

#include <string>

#include "common/base/status.h"
#include "common/io/posix.h"

namespace rondo {

enum class Symlinks {
  kRefused,
  kInside,  // followed where they stay below the folder
};

// Opens `path`, relative to the open folder `dir`. PERMISSION_DENIED for one that leads out of it
// (.., absolute, a symbolic link) or through a link that is refused. `name` is for messages.
absl::StatusOr<FileDescriptor> OpenBeneath(int dir, const std::string& path, int flags,
                                           Symlinks symlinks, const std::string& name);

// The same where the kernel has no openat2: segment by segment, and no link is followed.
absl::StatusOr<FileDescriptor> OpenBeneathBySegments(int dir, const std::string& path, int flags,
                                                     const std::string& name);

}  // namespace rondo
