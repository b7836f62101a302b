#include "client/lib/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/io/file.h"
#include "common/io/sha256.h"

namespace rondo {
namespace {

absl::Status SystemError(const std::string& action, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat(action, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PartialFile>> PartialFile::Open(const std::string& path) {
  const std::string partial = path + ".partial";
  const int fd = open(partial.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return SystemError("cannot create", partial);
  struct stat info;
  if (fstat(fd, &info) != 0) {
    close(fd);
    return SystemError("cannot read", partial);
  }
  return std::unique_ptr<PartialFile>(new PartialFile(path, fd, info.st_size));
}

PartialFile::~PartialFile() { close(fd_); }

absl::Status PartialFile::Append(const std::string& data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t count = write(fd_, data.data() + done, data.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError("cannot write", partial_);
    done += count;
    bytes_ += count;
  }
  return absl::OkStatus();
}

absl::Status PartialFile::Clear() {
  if (ftruncate(fd_, 0) != 0) return SystemError("cannot truncate", partial_);
  bytes_ = 0;
  return absl::OkStatus();
}

absl::Status PartialFile::Finish(const ArtifactInfo& info) {
  ASSIGN_OR_RETURN(const std::string sum, Sha256OfFile(partial_));
  if (bytes_ != info.bytes || sum != info.sha256) {
    unlink(partial_.c_str());
    return absl::DataLossError(absl::StrCat(
        info.name, " arrived as ", bytes_, " bytes with SHA-256 ", sum, "; it should be ",
        info.bytes, " bytes with ", info.sha256, "; it was removed, download it again"));
  }
  if (fsync(fd_) != 0) return SystemError("cannot sync", partial_);
  if (rename(partial_.c_str(), path_.c_str()) != 0) return SystemError("cannot rename", partial_);
  const std::string dir = std::filesystem::path(path_).parent_path().string();
  return SyncDir(dir.empty() ? "." : dir);
}

}  // namespace rondo
