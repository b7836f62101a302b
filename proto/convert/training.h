// Events of learned rounding between the domain and protobuf. Pure functions.
#pragma once

#include "common/domain/job.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

v1::LayerClustered ToProto(const LayerClustered& clustered);
LayerClustered FromProto(const v1::LayerClustered& proto);

v1::TrainingStep ToProto(const TrainingStep& step);
TrainingStep FromProto(const v1::TrainingStep& proto);

v1::TrainingFinished ToProto(const TrainingFinished& finished);
TrainingFinished FromProto(const v1::TrainingFinished& proto);

}  // namespace rondo
