// Artifacts of a job on a server, brought into a local folder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/lib/client.h"
#include "common/base/status.h"

namespace rondo {

// Downloads each artifact to <folder>/<format>/<name>; the folder of each format, by its name.
absl::StatusOr<std::map<std::string, std::string>> DownloadArtifacts(
    RondoClient* client, const JobId& job, const std::vector<ArtifactInfo>& artifacts,
    const std::string& folder);

}  // namespace rondo
