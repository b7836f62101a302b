#include "common/io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/time/clock.h"

namespace rondo {
namespace {

constexpr absl::Duration kLockCheck = absl::Milliseconds(100);

// Who held the lock before may have removed the file, and somebody else made another.
bool IsStillAt(const FileDescriptor& fd, const std::string& path) {
  struct stat held = {}, there = {};
  return fstat(fd.get(), &held) == 0 && stat(path.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

}  // namespace

absl::StatusOr<FileDescriptor> TryLockFile(const std::string& path, FileLock kind) {
  const int operation = kind == FileLock::kShared ? LOCK_SH : LOCK_EX;
  while (true) {
    ASSIGN_OR_RETURN(FileDescriptor fd, OpenFd(path, O_RDWR | O_CREAT));
    if (flock(fd.get(), operation | LOCK_NB) == 0) {
      if (IsStillAt(fd, path)) return fd;
    } else if (errno == EWOULDBLOCK) {
      return FileDescriptor();
    } else if (errno != EINTR) {
      return ErrnoStatus("lock", path, errno);
    }
  }
}

absl::StatusOr<FileDescriptor> LockFile(const std::string& path, FileLock kind,
                                        const std::function<bool()>& stop) {
  while (true) {
    ASSIGN_OR_RETURN(FileDescriptor fd, TryLockFile(path, kind));
    if (fd.get() >= 0) return fd;
    if (stop()) return absl::CancelledError(absl::StrCat("waiting for ", path, " was stopped"));
    absl::SleepFor(kLockCheck);
  }
}

absl::Status ShareLock(const FileDescriptor& held, const std::string& path) {
  while (flock(held.get(), LOCK_SH) != 0) {
    if (errno != EINTR) return ErrnoStatus("share lock", path, errno);
  }
  return absl::OkStatus();
}

}  // namespace rondo
