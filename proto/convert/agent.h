// What agents, ranks and the coordinator exchange, between the domain and protobuf. Total as
// proto/convert/job.h. Pure functions.
#pragma once

#include "common/base/status.h"
#include "common/domain/rank_task.h"
#include "common/domain/worker_info.h"
#include "rondo/v1/agent.pb.h"
#include "rondo/v1/service.pb.h"

namespace rondo {

v1::Worker ToProto(const WorkerInfo& worker);
absl::StatusOr<WorkerInfo> FromProto(const v1::Worker& proto);

// What an agent says of itself; state and job are the coordinator's to know.
v1::AgentHello ToHello(const WorkerInfo& worker);
absl::StatusOr<WorkerInfo> FromProto(const v1::AgentHello& proto);

v1::RankId ToRankId(const JobId& job, int64_t generation, int rank);

v1::RankTask ToProto(const RankTask& task);
absl::StatusOr<RankTask> FromProto(const v1::RankTask& proto);

v1::RankReport ToProto(const RankReport& report);
absl::StatusOr<RankReport> FromProto(const v1::RankReport& proto);

}  // namespace rondo
