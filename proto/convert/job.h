// A whole job between the domain and protobuf. Total as proto/convert/event.h. Pure functions.
#pragma once

#include "common/base/status.h"
#include "common/domain/job.h"
#include "proto/convert/event.h"
#include "rondo/v1/job.pb.h"

namespace rondo {

v1::Job ToProto(const Job& job);
absl::StatusOr<Job> FromProto(const v1::Job& proto);

}  // namespace rondo
