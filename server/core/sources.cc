#include "server/core/sources.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_replace.h"
#include "common/format/data_path.h"

namespace rondo {
namespace {

// What ParseDataPath tells data by, for a file whose name is ours.
std::string LocalName(DataKind kind) {
  switch (kind) {
    case DataKind::kTokens: return "data.npy";
    case DataKind::kJsonLines: return "data.jsonl";
    case DataKind::kText: break;
  }
  return "data.txt";
}

using Visit = std::function<void(std::string* path, bool folder)>;

void VisitPaths(JobSpec* spec, const Visit& visit) {
  visit(&spec->model.path, true);
  if (auto* learned = std::get_if<LearnedRoundingSettings>(&spec->method)) {
    visit(&learned->training.teacher.path, true);
  }
  if (NeedsCalibration(spec->method)) visit(&spec->calibration.path, false);
  for (EvaluationSet& set : spec->evaluation.sets) visit(&set.path, false);
}

}  // namespace

std::vector<RemoteSource> RemoteSources(const JobSpec& spec) {
  std::vector<RemoteSource> sources;
  JobSpec visited = spec;
  VisitPaths(&visited, [&](const std::string* path, bool folder) {
    if (!IsS3Uri(*path)) return;
    const DataPath data = ParseDataPath(*path);
    const auto uri = ParseS3Uri("path", folder ? *path : data.file);
    const bool known = std::any_of(sources.begin(), sources.end(), [&](const auto& source) {
      return source.uri.name() == uri->name();
    });
    if (!known) sources.push_back({*uri, folder, folder ? "" : LocalName(data.kind)});
  });
  return sources;
}

JobSpec WithLocalPaths(JobSpec spec, const LocalPaths& paths) {
  VisitPaths(&spec, [&](std::string* path, bool folder) {
    if (!IsS3Uri(*path)) return;
    const std::string file = folder ? *path : ParseDataPath(*path).file;
    const auto local = paths.find(ParseS3Uri("path", file)->name());
    if (local != paths.end()) *path = local->second + path->substr(file.size());
  });
  return spec;
}

LocalPaths LocalPathsOf(const Job& job) {
  LocalPaths paths;
  for (const auto& [name, fetched] : job.sources) paths[name] = fetched.path;
  return paths;
}

JobSpec LocalSpec(const Job& job) { return WithLocalPaths(job.spec, LocalPathsOf(job)); }

absl::Status NameSources(const absl::Status& status, const LocalPaths& paths) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& [name, path] : paths) names.emplace_back(path, name);
  return absl::Status(status.code(), absl::StrReplaceAll(status.message(), names));
}

}  // namespace rondo
