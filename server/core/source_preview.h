// Admission of jobs whose model or data are in S3, before anything is downloaded. Thread-safe.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "server/core/admission.h"
#include "server/core/source_cache.h"

namespace rondo {

// CheckSpec() where every path may be in S3. Of what is not in the cache yet only what the checks
// read is fetched. Messages name the sources.
absl::StatusOr<ModelFacts> CheckRemoteSpec(const JobSpec& spec, const SourceCache& cache);

}  // namespace rondo
