#include "proto/convert/values.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "proto/convert/spec.h"

namespace rondo {

using google::protobuf::util::TimeUtil;

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
  return proto;
}

absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& proto) {
  if (proto.seconds() < TimeUtil::kTimestampMinSeconds ||
      proto.seconds() > TimeUtil::kTimestampMaxSeconds || proto.nanos() < 0 ||
      proto.nanos() >= 1'000'000'000) {
    return absl::InvalidArgumentError(
        absl::StrCat("a time is ", proto.seconds(), " s and ", proto.nanos(),
                     " ns since 1970; it must be in the years 1 to 9999, with 0 to 999999999 ns"));
  }
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

v1::Error ToProto(const absl::Status& status) {
  v1::Error proto;
  proto.set_code(static_cast<int32_t>(status.code()));
  proto.set_message(std::string(status.message()));
  return proto;
}

absl::Status FromProto(const v1::Error& proto) {
  const bool known = proto.code() >= 0 && proto.code() <= 16;
  return absl::Status(
      known ? static_cast<absl::StatusCode>(proto.code()) : absl::StatusCode::kUnknown,
      proto.message());
}

v1::Plan ToProto(const Plan& plan) {
  v1::Plan proto;
  for (const StagePlan& stage : plan.stages) {
    v1::StagePlan* added = proto.add_stages();
    added->set_first_layer(stage.first_layer);
    added->set_end_layer(stage.end_layer);
    added->set_memory_bytes(stage.memory_bytes);
  }
  proto.set_sequential(plan.sequential);
  proto.set_dtype(ToProto(plan.dtype));
  proto.set_micro_batches(plan.micro_batches);
  proto.set_wire_bytes(plan.wire_bytes);
  proto.set_expected_seconds(plan.expected_seconds);
  proto.set_quantized_weights(plan.quantized_weights);
  proto.set_checkpoint_bytes(plan.checkpoint_bytes);
  proto.set_export_bytes(plan.export_bytes);
  proto.set_scratch_bytes(plan.scratch_bytes);
  proto.mutable_notes()->Add(plan.notes.begin(), plan.notes.end());
  proto.set_replicas(plan.replicas);
  proto.set_training_dtype(ToProto(plan.training_dtype));
  proto.mutable_override_layers()->Add(plan.override_layers.begin(), plan.override_layers.end());
  proto.set_keep_graphs(plan.keep_graphs);
  return proto;
}

absl::StatusOr<Plan> FromProto(const v1::Plan& proto) {
  Plan plan;
  for (const v1::StagePlan& stage : proto.stages()) {
    plan.stages.push_back({stage.first_layer(), stage.end_layer(), stage.memory_bytes()});
  }
  plan.sequential = proto.sequential();
  ASSIGN_OR_RETURN(plan.dtype, FromProto(proto.dtype()));
  plan.micro_batches = proto.micro_batches();
  plan.wire_bytes = proto.wire_bytes();
  plan.expected_seconds = proto.expected_seconds();
  plan.quantized_weights = proto.quantized_weights();
  plan.checkpoint_bytes = proto.checkpoint_bytes();
  plan.export_bytes = proto.export_bytes();
  plan.scratch_bytes = proto.scratch_bytes();
  plan.notes.assign(proto.notes().begin(), proto.notes().end());
  // Far above any gang; WorldSize() stays an int.
  constexpr int64_t kMostRanks = 1 << 20;
  if (proto.replicas() < 0 || int64_t{proto.stages_size()} * proto.replicas() > kMostRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan.replicas is ", proto.replicas(), " for ", proto.stages_size(),
                     " stages; their product must be 0 to ", kMostRanks));
  }
  if (proto.replicas() != 0) plan.replicas = proto.replicas();
  ASSIGN_OR_RETURN(plan.training_dtype, FromProto(proto.training_dtype()));
  plan.override_layers.assign(proto.override_layers().begin(), proto.override_layers().end());
  plan.keep_graphs = proto.keep_graphs();
  return plan;
}

v1::ArtifactInfo ToProto(const ArtifactInfo& artifact) {
  v1::ArtifactInfo proto;
  proto.set_format(ToProto(artifact.format));
  proto.set_name(artifact.name);
  proto.set_bytes(artifact.bytes);
  proto.set_sha256(artifact.sha256);
  return proto;
}

absl::StatusOr<ArtifactInfo> FromProto(const v1::ArtifactInfo& proto) {
  ASSIGN_OR_RETURN(ExportFormat format, FromProto(proto.format()));
  return ArtifactInfo{format, proto.name(), proto.bytes(), proto.sha256()};
}

absl::StatusOr<std::vector<ArtifactInfo>> ArtifactsFromProto(
    const google::protobuf::RepeatedPtrField<v1::ArtifactInfo>& proto) {
  std::vector<ArtifactInfo> artifacts;
  for (const v1::ArtifactInfo& artifact : proto) {
    ASSIGN_OR_RETURN(ArtifactInfo known, FromProto(artifact));
    artifacts.push_back(std::move(known));
  }
  return artifacts;
}

}  // namespace rondo
