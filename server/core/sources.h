// What a spec names in S3, and the same spec once that is on disk. Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/job_spec.h"
#include "common/domain/s3_uri.h"

namespace rondo {

struct RemoteSource {
  S3Uri uri;
  bool folder = false;     // a model; else one file of data
  std::string local_name;  // of that file
};

// Local paths of sources, by S3Uri::name().
using LocalPaths = std::map<std::string, std::string>;

// Every source that the job will read, each once. REQUIRES: Validate(spec).
std::vector<RemoteSource> RemoteSources(const JobSpec& spec);

// The spec with the paths that are known.
JobSpec WithLocalPaths(JobSpec spec, const LocalPaths& paths);
// Of what was fetched for the job.
LocalPaths LocalPathsOf(const Job& job);
// What the job's ranks are to read.
JobSpec LocalSpec(const Job& job);

// The message names sources where it named their local paths.
absl::Status NameSources(const absl::Status& status, const LocalPaths& paths);

}  // namespace rondo
