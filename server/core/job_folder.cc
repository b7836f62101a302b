#include "server/core/job_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/numbers.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/domain/job_spec.h"
#include "common/domain/rank_task.h"
#include "common/io/file.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

void RemoveTreeOrLog(const std::string& dir) {
  std::error_code error;
  fs::remove_all(dir, error);
  if (error) LogWarning("coordinator", absl::StrCat("cannot remove ", dir, ": ", error.message()));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot rename ", from, " to ", to, ": ", error.message()));
}

std::vector<std::string> Entries(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

// -1: not the folder of a generation.
int64_t GenerationOf(const std::string& name) {
  int64_t generation = 0;
  return name.size() > 1 && name[0] == 'g' && absl::SimpleAtoi(name.substr(1), &generation)
             ? generation
             : -1;
}

// The folder that holds the latest checkpoint below `root`; empty: there is none. Releases without
// folders of generations kept it in `root` itself.
std::string CheckpointHolder(const std::string& root) {
  std::string holder;
  int64_t latest = -1;
  if (IsDirectory(JoinPath(root, kCheckpointFolder))) holder = root;
  for (const std::string& name : Entries(root)) {
    const int64_t generation = GenerationOf(name);
    const std::string dir = JoinPath(root, name);
    if (generation <= latest || !IsDirectory(JoinPath(dir, kCheckpointFolder))) continue;
    latest = generation;
    holder = dir;
  }
  return holder;
}

}  // namespace

std::string JobFolder::GenerationFolder(int64_t generation) const {
  return JoinPath(root_, absl::StrCat("g", generation));
}

absl::Status JobFolder::Prepare(int64_t generation) const {
  RONDO_FAILPOINT("gang.folder.before");
  const std::string folder = GenerationFolder(generation);
  const std::string holder = CheckpointHolder(root_);
  RETURN_IF_ERROR(MakeDirs(folder));
  if (!holder.empty() && holder != folder) {
    RETURN_IF_ERROR(
        Rename(JoinPath(holder, kCheckpointFolder), JoinPath(folder, kCheckpointFolder)));
  }
  RemoveAllBut(folder);
  for (const std::string& name : Entries(folder)) {
    if (name != kCheckpointFolder) RemoveTreeOrLog(JoinPath(folder, name));
  }
  RONDO_FAILPOINT("gang.folder.after");
  return absl::OkStatus();
}

int64_t JobFolder::CheckpointBytes(int64_t generation) const {
  const std::string dir = JoinPath(GenerationFolder(generation), kCheckpointFolder);
  int64_t bytes = 0;
  for (const std::string& name : Entries(dir)) bytes += FileSize(JoinPath(dir, name)).value_or(0);
  return bytes;
}

absl::Status JobFolder::Publish(int64_t generation,
                                const std::vector<ArtifactInfo>& artifacts) const {
  RONDO_FAILPOINT("publish.before");
  std::set<std::string> formats;
  for (const ArtifactInfo& artifact : artifacts) formats.insert(ExportFormatName(artifact.format));
  for (const std::string& format : formats) {
    RETURN_IF_ERROR(
        Rename(JoinPath(GenerationFolder(generation), format), JoinPath(root_, format)));
  }
  if (!formats.empty()) RETURN_IF_ERROR(SyncDir(root_));
  RONDO_FAILPOINT("publish.after");
  return absl::OkStatus();
}

void JobFolder::RemoveGenerations() const {
  for (const std::string& name : Entries(root_)) {
    if (GenerationOf(name) >= 0 || name == kCheckpointFolder)
      RemoveTreeOrLog(JoinPath(root_, name));
  }
}

void JobFolder::RemoveAllButCheckpoint() const {
  const std::string holder = CheckpointHolder(root_);
  if (holder.empty()) return RemoveAll();
  if (holder != root_) RemoveAllBut(holder);
  for (const std::string& name : Entries(holder)) {
    if (name != kCheckpointFolder) RemoveTreeOrLog(JoinPath(holder, name));
  }
}

void JobFolder::RemoveAll() const { RemoveTreeOrLog(root_); }

void JobFolder::RemoveAllBut(const std::string& kept) const {
  for (const std::string& name : Entries(root_)) {
    const std::string path = JoinPath(root_, name);
    if (path != kept) RemoveTreeOrLog(path);
  }
}

}  // namespace rondo
