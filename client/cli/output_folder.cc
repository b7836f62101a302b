#include "client/cli/output_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/io/file.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot move ", from, " to ", to, ": ", std::strerror(errno)));
}

}  // namespace

absl::Status CheckOutputFolder(const std::string& out) {
  std::error_code error;
  const fs::file_status status = fs::status(out, error);
  if (!fs::exists(status)) return absl::OkStatus();
  if (!fs::is_directory(status)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", out, " exists and is not a folder; choose another"));
  }
  const bool empty = fs::is_empty(out, error);
  if (empty && !error) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--out ", out, " exists and is not empty; choose another folder or remove it"));
}

absl::StatusOr<std::unique_ptr<WorkFolder>> WorkFolder::Make(std::string pattern) {
  if (mkdtemp(pattern.data()) == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make a folder ", pattern, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<WorkFolder>(new WorkFolder(pattern));
}

absl::StatusOr<std::unique_ptr<WorkFolder>> WorkFolder::Beside(const std::string& out) {
  const fs::path path(out);
  RETURN_IF_ERROR(MakeDirs(path.parent_path().string()));
  return Make(
      (path.parent_path() / absl::StrCat(".", path.filename().string(), ".rondo-XXXXXX")).string());
}

absl::StatusOr<std::unique_ptr<WorkFolder>> WorkFolder::Temporary() {
  std::error_code error;
  fs::path folder = fs::temp_directory_path(error);
  if (error) folder = "/tmp";
  return Make((folder / "rondo-XXXXXX").string());
}

WorkFolder::~WorkFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
  if (error) std::fprintf(stderr, "rondo: cannot remove %s\n", path_.c_str());
}

absl::Status WorkFolder::Publish(const std::map<std::string, std::string>& folders,
                                 const std::string& out) {
  if (folders.empty()) return absl::InternalError("the job left nothing to put into --out");
  RETURN_IF_ERROR(CheckOutputFolder(out));
  std::string complete = folders.begin()->second;
  if (folders.size() > 1) {
    complete = JoinPath(path_, "complete");
    RETURN_IF_ERROR(MakeDirs(complete));
    for (const auto& [name, folder] : folders) {
      RETURN_IF_ERROR(Rename(folder, JoinPath(complete, name)));
    }
    RETURN_IF_ERROR(SyncDir(complete));
  }
  RETURN_IF_ERROR(Rename(complete, out));
  return SyncDir(fs::path(out).parent_path().string());
}

}  // namespace rondo
