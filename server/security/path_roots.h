// The folders that jobs may read, on disk and in S3. Immutable, so thread-safe.
//
// What is checked is where a path leads at this moment, links and all; a worker opens it later. Who
// can write below a root is trusted not to change it in between.
#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/io/posix.h"

namespace rondo {

class PathRoots {
 public:
  PathRoots() = default;  // everything that this process can read
  // Absolute paths of folders that exist, and s3://BUCKET/PREFIX.
  static absl::StatusOr<PathRoots> Open(const std::vector<std::string>& folders);

  // Model, teacher, calibration and evaluation data of a job, and the files in its model folders.
  // PERMISSION_DENIED names the field, the path and the roots, and never says what is outside.
  absl::Status Check(const JobSpec& spec) const;

 private:
  struct Root {
    std::string path;  // without a slash at its end
    FileDescriptor folder;
  };
  absl::Status CheckPath(const std::string& field, const std::string& path) const;
  absl::Status CheckFolder(const std::string& field, const std::string& path) const;
  absl::Status NotAllowed(const std::string& field, const std::string& path) const;

  // Of the s3:// path of a folder or a file.
  absl::Status CheckS3(const std::string& field, const std::string& path) const;

  std::vector<Root> roots_;
  std::vector<std::string> s3_roots_;  // without a slash at their ends
};

}  // namespace rondo
