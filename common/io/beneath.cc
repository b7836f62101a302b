#include "common/io/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_split.h"

namespace rondo {
namespace {

absl::Status LeadsOut(const std::string& name) {
  return absl::PermissionDeniedError(
      absl::StrCat(name, " leads out of the folder that it must be in"));
}

int OpenAt2(int dir, const std::string& path, int flags, Symlinks symlinks) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (symlinks == Symlinks::kRefused) how.resolve |= RESOLVE_NO_SYMLINKS;
  int64_t fd = -1;
  // EAGAIN: something was renamed meanwhile, and the kernel cannot tell where the path led.
  for (int attempt = 0; attempt < 100; ++attempt) {
    fd = syscall(SYS_openat2, dir, path.c_str(), &how, sizeof(how));
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  return static_cast<int>(fd);
}

}  // namespace

absl::StatusOr<FileDescriptor> OpenBeneath(int dir, const std::string& path, int flags,
                                           Symlinks symlinks, const std::string& name) {
  FileDescriptor fd(OpenAt2(dir, path, flags, symlinks));
  if (fd.get() >= 0) return fd;
  // EPERM: a filter of system calls that does not know this one.
  if (errno == ENOSYS || errno == EPERM) return OpenBeneathBySegments(dir, path, flags, name);
  if (errno == EXDEV || errno == ELOOP) return LeadsOut(name);
  return ErrnoStatus("open", name, errno);
}

absl::StatusOr<FileDescriptor> OpenBeneathBySegments(int dir, const std::string& path, int flags,
                                                     const std::string& name) {
  if (path.empty() || path.front() == '/') return LeadsOut(name);
  FileDescriptor folder;
  int at = dir;
  const std::vector<std::string> segments = absl::StrSplit(path, '/', absl::SkipEmpty());
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i] == "..") return LeadsOut(name);
    const bool last = i + 1 == segments.size();
    const int how = last ? flags : O_PATH | O_DIRECTORY;
    FileDescriptor next(openat(at, segments[i].c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0 && (errno == ELOOP || (errno == ENOTDIR && !last))) return LeadsOut(name);
    if (next.get() < 0) return ErrnoStatus("open", name, errno);
    struct stat status = {};
    if (fstat(next.get(), &status) != 0) return ErrnoStatus("stat", name, errno);
    if (S_ISLNK(status.st_mode)) return LeadsOut(name);  // O_PATH opens a link itself
    folder = std::move(next);
    at = folder.get();
  }
  return folder;
}

}  // namespace rondo
