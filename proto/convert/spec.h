// JobSpec between the domain and protobuf. FromProto fills in the defaults that the .proto states
// for zero values and refuses unknown enum values and a missing method (INVALID_ARGUMENT); whether
// the values make sense is Validate()'s business (common/domain/validate.h). Pure functions.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

v1::DType ToProto(DType dtype);
absl::StatusOr<DType> FromProto(v1::DType dtype);

v1::ExportFormat ToProto(ExportFormat format);
absl::StatusOr<ExportFormat> FromProto(v1::ExportFormat format);

v1::JobSpec ToProto(const JobSpec& spec);
absl::StatusOr<JobSpec> FromProto(const v1::JobSpec& proto);

}  // namespace rondo
