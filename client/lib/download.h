// The local side of a download: a partial file that grows, is checked and gets its name. Its owner
// feeds it in order. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/io/posix.h"

namespace rondo {

class PartialFile {
 public:
  // Opens or creates "<path>.partial".
  static absl::StatusOr<PartialFile> Open(const std::string& path);

  int64_t bytes() const { return bytes_; }  // held so far
  absl::Status Append(const std::string& data);
  absl::Status Clear();
  // Checks size and SHA-256, fsyncs and renames to `path`; DATA_LOSS removes the partial file.
  absl::Status Finish(const ArtifactInfo& info);

 private:
  PartialFile(std::string path, FileDescriptor fd, int64_t bytes)
      : path_(std::move(path)),
        partial_(path_ + kPartialSuffix),
        fd_(std::move(fd)),
        bytes_(bytes) {}
  std::string path_;
  std::string partial_;
  FileDescriptor fd_;
  int64_t bytes_;
};

}  // namespace rondo
