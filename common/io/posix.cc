#include "common/io/posix.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {

absl::Status ErrnoStatus(const std::string& action, const std::string& path, int error) {
  const std::string message =
      absl::StrCat(action, " ", path, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR: return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT: return absl::ResourceExhaustedError(message);
    default: return absl::InternalError(message);
  }
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<FileDescriptor> OpenFd(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus("open", path, errno);
  return FileDescriptor(fd);
}

absl::Status WriteFullyAt(int fd, int64_t offset, std::span<const std::byte> data,
                          const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = pwrite(fd, data.data(), data.size(), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("write", path, errno);
    }
    data = data.subspan(written);
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status PublishFile(int fd, const std::string& from, const std::string& to) {
  if (fsync(fd) != 0) return ErrnoStatus("fsync", from, errno);
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(absl::StrCat("rename ", from, " to"), to, errno);
  }
  const size_t slash = to.rfind('/');
  if (slash == std::string::npos) return SyncDir(".");
  return SyncDir(slash == 0 ? "/" : to.substr(0, slash));
}

std::string PartialPath(const std::string& path) {
  return absl::StrCat(path, ".", RandomHexId().substr(0, 8), kPartialSuffix);
}

}  // namespace rondo
