// Records of the store: domain values as bytes. DATA_LOSS when bytes cannot be read back. Pure.
#pragma once

#include <string>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/job_spec.h"

namespace rondo {

// Equal specs give equal bytes.
std::string EncodeSpec(const JobSpec& spec);
absl::StatusOr<JobSpec> DecodeSpec(const std::string& bytes);

// The number is not part of the record.
std::string EncodeEvent(const JobEvent& event);
absl::StatusOr<JobEvent> DecodeEvent(int64_t number, const std::string& bytes);

}  // namespace rondo
