// Times, errors, plans and artifacts between the domain and protobuf. Total as
// proto/convert/spec.h. Pure functions.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <vector>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/plan.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

google::protobuf::Timestamp ToProto(absl::Time time);
// Of the years 1 to 9999, which are all that a Timestamp may hold.
absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& proto);

// Codes are google.rpc.Code, as absl's; one that is not known becomes UNKNOWN.
v1::Error ToProto(const absl::Status& status);
absl::Status FromProto(const v1::Error& proto);

v1::Plan ToProto(const Plan& plan);
absl::StatusOr<Plan> FromProto(const v1::Plan& proto);

v1::ArtifactInfo ToProto(const ArtifactInfo& artifact);
absl::StatusOr<ArtifactInfo> FromProto(const v1::ArtifactInfo& proto);

absl::StatusOr<std::vector<ArtifactInfo>> ArtifactsFromProto(
    const google::protobuf::RepeatedPtrField<v1::ArtifactInfo>& proto);

}  // namespace rondo
