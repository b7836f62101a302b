// --out: nothing appears there before it is complete.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/base/status.h"

namespace rondo {

// FAILED_PRECONDITION unless `out` is absent or an empty folder.
absl::Status CheckOutputFolder(const std::string& out);

// A folder beside `out` (so that renames stay on one file system), "<parent>/.<name>.rondo-XXXXXX",
// removed with all it holds when the object goes.
class WorkFolder {
 public:
  // Makes the parent of `out` where it is missing. `out` is absolute.
  static absl::StatusOr<std::unique_ptr<WorkFolder>> Beside(const std::string& out);
  // In the system's folder for temporary files.
  static absl::StatusOr<std::unique_ptr<WorkFolder>> Temporary();
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::string& path() const { return path_; }

  // Moves complete folders, by format name, to `out`: the only one becomes `out`, several become
  // its sub-folders.
  absl::Status Publish(const std::map<std::string, std::string>& folders, const std::string& out);

 private:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  static absl::StatusOr<std::unique_ptr<WorkFolder>> Make(std::string pattern);
  std::string path_;
};

}  // namespace rondo
