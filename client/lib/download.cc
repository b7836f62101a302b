#include "client/lib/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "common/io/file.h"
#include "common/io/sha256.h"

namespace rondo {

absl::StatusOr<PartialFile> PartialFile::Open(const std::string& path) {
  const std::string partial = path + kPartialSuffix;
  ASSIGN_OR_RETURN(FileDescriptor fd, OpenFd(partial, O_RDWR | O_CREAT));
  ASSIGN_OR_RETURN(const int64_t bytes, FileSize(partial));
  return PartialFile(path, std::move(fd), bytes);
}

absl::Status PartialFile::Append(const std::string& data) {
  RETURN_IF_ERROR(WriteFullyAt(fd_.get(), bytes_, std::as_bytes(std::span(data)), partial_));
  bytes_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

absl::Status PartialFile::Clear() {
  if (ftruncate(fd_.get(), 0) != 0) return ErrnoStatus("cannot truncate", partial_, errno);
  bytes_ = 0;
  return absl::OkStatus();
}

absl::Status PartialFile::Finish(const ArtifactInfo& info) {
  ASSIGN_OR_RETURN(const std::string sum, Sha256OfFile(partial_));
  if (bytes_ == info.bytes && sum == info.sha256) return PublishFile(fd_.get(), partial_, path_);
  unlink(partial_.c_str());
  return absl::DataLossError(absl::StrCat(
      info.name, " arrived as ", bytes_, " bytes with SHA-256 ", sum, "; it should be ", info.bytes,
      " bytes with ", info.sha256, "; what arrived was removed, download it again"));
}

}  // namespace rondo
