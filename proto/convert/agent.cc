#include "proto/convert/agent.h"

#include <utility>

#include "proto/convert/job.h"
#include "proto/convert/spec.h"

namespace rondo {

v1::Worker ToProto(const WorkerInfo& worker) {
  v1::Worker proto;
  proto.set_id(worker.id.value());
  proto.set_host(worker.host);
  proto.set_version(worker.version);
  proto.set_device(worker.device);
  proto.set_memory_bytes(worker.memory_bytes);
  proto.set_cpus(worker.cpus);
  proto.set_bf16(worker.bf16);
  proto.set_state(WorkerStateName(worker.state));
  proto.set_job_id(worker.job.value());
  return proto;
}

absl::StatusOr<WorkerInfo> FromProto(const v1::Worker& proto) {
  WorkerInfo worker{WorkerId(proto.id()), proto.host(), proto.version(), proto.device(),
                    proto.memory_bytes(), proto.cpus(), proto.bf16()};
  worker.job = JobId(proto.job_id());
  for (const WorkerState state : {WorkerState::kIdle, WorkerState::kBusy, WorkerState::kLost}) {
    if (proto.state() != WorkerStateName(state)) continue;
    worker.state = state;
    return worker;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("worker state is \"", proto.state(), "\", which this version does not know"));
}

v1::AgentHello ToHello(const WorkerInfo& worker) {
  v1::AgentHello proto;
  proto.set_worker_id(worker.id.value());
  proto.set_host(worker.host);
  proto.set_version(worker.version);
  proto.set_device(worker.device);
  proto.set_memory_bytes(worker.memory_bytes);
  proto.set_cpus(worker.cpus);
  proto.set_bf16(worker.bf16);
  proto.set_rank_bytes(worker.rank_bytes);
  return proto;
}

absl::StatusOr<WorkerInfo> FromProto(const v1::AgentHello& proto) {
  if (proto.worker_id().empty() || proto.host().empty() || proto.device().empty()) {
    return absl::InvalidArgumentError(
        "hello must state worker_id, host and device; one of them is empty");
  }
  constexpr size_t kLongest = 255;
  for (const std::string* field :
       {&proto.worker_id(), &proto.host(), &proto.version(), &proto.device()}) {
    if (field->size() <= kLongest) continue;
    return absl::InvalidArgumentError(absl::StrCat("a field of hello is ", field->size(),
                                                   " bytes long; it must be at most ", kLongest));
  }
  // Far above any machine; sums of a worker's figures stay within int64.
  constexpr int64_t kMostBytes = int64_t{1} << 50;
  for (const auto& [name, value] :
       {std::pair("memory_bytes", proto.memory_bytes()),
        std::pair("rank_bytes", proto.rank_bytes()), std::pair("cpus", int64_t{proto.cpus()})}) {
    if (value >= 0 && value <= kMostBytes) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " of hello is ", value, "; it must be 0 to ", kMostBytes));
  }
  WorkerInfo worker{WorkerId(proto.worker_id()), proto.host(), proto.version(), proto.device(),
                    proto.memory_bytes(),        proto.cpus(), proto.bf16()};
  worker.rank_bytes = proto.rank_bytes();
  return worker;
}

v1::RankId ToRankId(const JobId& job, int64_t generation, int rank) {
  v1::RankId proto;
  proto.set_job_id(job.value());
  proto.set_generation(generation);
  proto.set_rank(rank);
  return proto;
}

v1::RankTask ToProto(const RankTask& task) {
  v1::RankTask proto;
  proto.set_job_id(task.job.value());
  proto.set_generation(task.generation);
  proto.set_rank(task.rank);
  *proto.mutable_spec() = ToProto(task.spec);
  *proto.mutable_plan() = ToProto(task.plan);
  proto.set_host(task.host);
  proto.set_device(task.device);
  proto.set_artifact_dir(task.artifact_dir);
  proto.set_cache_dir(task.cache_dir);
  proto.set_cache_quota_bytes(task.cache_quota_bytes);
  return proto;
}

absl::StatusOr<RankTask> FromProto(const v1::RankTask& proto) {
  RankTask task;
  task.job = JobId(proto.job_id());
  task.generation = proto.generation();
  task.rank = proto.rank();
  ASSIGN_OR_RETURN(task.spec, FromProto(proto.spec()));
  ASSIGN_OR_RETURN(task.plan, FromProto(proto.plan()));
  if (task.rank < 0 || task.rank >= WorldSize(task.plan)) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", task.rank, " is not one of the plan's ",
                                                   WorldSize(task.plan), " ranks"));
  }
  task.host = proto.host();
  task.device = proto.device();
  task.artifact_dir = proto.artifact_dir();
  task.cache_dir = proto.cache_dir();
  task.cache_quota_bytes = proto.cache_quota_bytes();
  return task;
}

v1::RankReport ToProto(const RankReport& report) {
  v1::RankReport proto;
  if (const auto* listening = std::get_if<RankListening>(&report)) {
    proto.mutable_listening()->set_address(listening->address);
  } else if (const auto* event = std::get_if<JobEvent>(&report)) {
    *proto.mutable_event() = ToProto(*event);
  } else {
    const absl::Status& status = std::get<RankFinished>(report).status;
    auto* finished = proto.mutable_finished();
    if (!status.ok()) *finished->mutable_status() = ToProto(status);
  }
  return proto;
}

absl::StatusOr<RankReport> FromProto(const v1::RankReport& proto) {
  switch (proto.body_case()) {
    case v1::RankReport::kListening: return RankListening{proto.listening().address()};
    case v1::RankReport::kEvent: return FromProto(proto.event());
    case v1::RankReport::kFinished: return RankFinished{FromProto(proto.finished().status())};
    case v1::RankReport::kAlive:
    case v1::RankReport::BODY_NOT_SET: break;
  }
  return absl::InvalidArgumentError("rank report has no body that this version knows");
}

}  // namespace rondo
