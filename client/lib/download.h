// The local side of a download: a partial file that grows, is checked and gets its name. Its owner
// feeds it in order. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

class PartialFile {
 public:
  // Opens or creates "<path>.partial".
  static absl::StatusOr<std::unique_ptr<PartialFile>> Open(const std::string& path);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  int64_t bytes() const { return bytes_; }  // held so far
  absl::Status Append(const std::string& data);
  absl::Status Clear();
  // Checks size and SHA-256, fsyncs and renames to `path`; DATA_LOSS removes the partial file.
  absl::Status Finish(const ArtifactInfo& info);

 private:
  PartialFile(std::string path, int fd, int64_t bytes)
      : path_(std::move(path)), partial_(path_ + ".partial"), fd_(fd), bytes_(bytes) {}
  std::string path_;
  std::string partial_;
  int fd_;
  int64_t bytes_;
};

}  // namespace rondo
