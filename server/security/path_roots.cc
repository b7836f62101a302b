#include "server/security/path_roots.h"

#include <fcntl.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/domain/s3_uri.h"
#include "common/io/beneath.h"
#include "common/io/file.h"

namespace rondo {

absl::StatusOr<PathRoots> PathRoots::Open(const std::vector<std::string>& folders) {
  PathRoots roots;
  for (const std::string& folder : folders) {
    if (IsS3Uri(folder)) {
      ASSIGN_OR_RETURN(const S3Uri root, ParseS3Uri("the model root", folder));
      roots.s3_roots_.push_back(root.name());
      continue;
    }
    if (folder.empty() || folder.front() != '/') {
      return absl::InvalidArgumentError(
          absl::StrCat("the model root \"", folder, "\" is neither an absolute path nor s3://..."));
    }
    std::string path = std::filesystem::path(folder).lexically_normal().string();
    while (!path.empty() && path.back() == '/') path.pop_back();
    ASSIGN_OR_RETURN(FileDescriptor open, OpenFd(folder, O_PATH | O_DIRECTORY));
    roots.roots_.push_back({std::move(path), std::move(open)});
  }
  return roots;
}

absl::Status PathRoots::Check(const JobSpec& spec) const {
  if (roots_.empty() && s3_roots_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckFolder("model.path", spec.model.path));
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned != nullptr && !learned->training.teacher.path.empty()) {
    RETURN_IF_ERROR(CheckFolder("training.teacher.path", learned->training.teacher.path));
  }
  if (!spec.calibration.path.empty()) {
    RETURN_IF_ERROR(CheckPath("calibration.path", spec.calibration.path));
  }
  for (const EvaluationSet& set : spec.evaluation.sets) {
    RETURN_IF_ERROR(
        CheckPath(absl::StrCat("the path of evaluation set \"", set.name, "\""), set.path));
  }
  return absl::OkStatus();
}

absl::Status PathRoots::CheckPath(const std::string& field, const std::string& path) const {
  if (IsS3Uri(path)) return CheckS3(field, path);
  if (path.empty() || path.front() != '/') return NotAllowed(field, path);
  std::string clean;  // "/a/b", or empty for the root of the system
  for (const std::string& segment :
       std::vector<std::string>(absl::StrSplit(path, '/', absl::SkipEmpty()))) {
    if (segment == "..") return NotAllowed(field, path);
    if (segment != ".") absl::StrAppend(&clean, "/", segment);
  }
  for (const Root& root : roots_) {
    if (clean != root.path && !absl::StartsWith(clean, root.path + "/")) continue;
    const std::string rest =
        clean.size() == root.path.size() ? "." : clean.substr(root.path.size() + 1);
    absl::Status opened =
        OpenBeneath(root.folder.get(), rest, O_PATH, Symlinks::kInside, path).status();
    // What is missing below a root is told as such by admission.
    if (opened.ok() || absl::IsNotFound(opened)) return absl::OkStatus();
    if (!absl::IsPermissionDenied(opened)) return opened;
  }
  return NotAllowed(field, path);
}

absl::Status PathRoots::CheckFolder(const std::string& field, const std::string& path) const {
  RETURN_IF_ERROR(CheckPath(field, path));
  if (IsS3Uri(path)) return absl::OkStatus();
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  // Admission says what is wrong with a path that is no folder; what cannot be read is refused.
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) {
    return absl::OkStatus();
  }
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (!entry->is_symlink(error)) continue;
    RETURN_IF_ERROR(CheckPath(field, JoinPath(path, entry->path().filename().string())));
  }
  if (!error) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(field, " is \"", path, "\", which cannot be read: ", error.message()));
}

absl::Status PathRoots::CheckS3(const std::string& field, const std::string& path) const {
  ASSIGN_OR_RETURN(const S3Uri uri, ParseS3Uri(field, path));
  const std::string name = uri.name();
  for (const std::string& root : s3_roots_) {
    if (name == root || absl::StartsWith(name, root + "/")) return absl::OkStatus();
  }
  return NotAllowed(field, path);
}

absl::Status PathRoots::NotAllowed(const std::string& field, const std::string& path) const {
  std::vector<std::string> roots = s3_roots_;
  for (const Root& root : roots_) roots.push_back(root.path);
  const std::string allowed = absl::StrCat(absl::StrJoin(roots, "/, "), "/");
  return absl::PermissionDeniedError(absl::StrCat(field, " is \"", path,
                                                  "\"; jobs may read what is in ", allowed,
                                                  ", without .. or links out"));
}

}  // namespace rondo
