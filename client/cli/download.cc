#include "client/cli/download.h"

#include "common/io/file.h"

namespace rondo {

absl::StatusOr<std::map<std::string, std::string>> DownloadArtifacts(
    RondoClient* client, const JobId& job, const std::vector<ArtifactInfo>& artifacts,
    const std::string& folder) {
  std::map<std::string, std::string> folders;
  for (const ArtifactInfo& artifact : artifacts) {
    RETURN_IF_ERROR(ValidateFileName("the name of an artifact", artifact.name));
    const std::string name = ExportFormatName(artifact.format);
    const std::string of_format = JoinPath(folder, name);
    if (folders.emplace(name, of_format).second) RETURN_IF_ERROR(MakeDirs(of_format));
    RETURN_IF_ERROR(
        client->Download(job, artifact.format, artifact.name, JoinPath(of_format, artifact.name)));
  }
  for (const auto& [name, path] : folders) RETURN_IF_ERROR(SyncDir(path));
  return folders;
}

}  // namespace rondo
