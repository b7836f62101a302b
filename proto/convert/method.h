// The method of a job between the domain and protobuf. Total as proto/convert/spec.h. Pure
// functions.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

void MethodToProto(const MethodSettings& method, v1::JobSpec* proto);
absl::StatusOr<MethodSettings> MethodFromProto(const v1::JobSpec& proto);

}  // namespace rondo
