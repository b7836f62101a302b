// Events and their parts between the domain and protobuf. Total: FromProto refuses unknown enum
// values and an empty body with INVALID_ARGUMENT. Pure functions.
#pragma once

#include "common/base/status.h"
#include "common/domain/job.h"
#include "proto/convert/values.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

v1::JobState ToProto(JobState state);
absl::StatusOr<JobState> StateFromProto(v1::JobState state);

v1::RankPlacement ToProto(const RankPlacement& rank);
RankPlacement FromProto(const v1::RankPlacement& proto);

v1::SourceFetched ToProto(const SourceFetched& fetched);
SourceFetched FromProto(const v1::SourceFetched& proto);

v1::Progress ToProto(const Progress& progress);
absl::StatusOr<Progress> FromProto(const v1::Progress& proto);

v1::PhaseFinished ToProto(const PhaseFinished& finished);
absl::StatusOr<PhaseFinished> FromProto(const v1::PhaseFinished& proto);

v1::Evaluated ToProto(const Evaluated& evaluated);
Evaluated FromProto(const v1::Evaluated& proto);

v1::LayerQuantized ToProto(const LayerQuantized& quantized);
LayerQuantized FromProto(const v1::LayerQuantized& proto);

v1::JobEvent ToProto(const JobEvent& event);
absl::StatusOr<JobEvent> FromProto(const v1::JobEvent& proto);

}  // namespace rondo
