#include "proto/convert/job.h"

#include <utility>

#include "proto/convert/spec.h"
#include "proto/convert/training.h"

namespace rondo {

v1::Job ToProto(const Job& job) {
  v1::Job proto;
  proto.set_id(job.id.value());
  proto.set_request_id(job.request_id);
  proto.set_owner(job.owner);
  *proto.mutable_spec() = ToProto(job.spec);
  *proto.mutable_create_time() = ToProto(job.created);
  if (job.started != absl::InfinitePast()) *proto.mutable_start_time() = ToProto(job.started);
  if (job.finished != absl::InfiniteFuture()) *proto.mutable_finish_time() = ToProto(job.finished);
  proto.set_state(ToProto(job.state));
  if (!job.error.ok()) *proto.mutable_error() = ToProto(job.error);
  proto.set_generation(job.generation);
  for (const RankPlacement& rank : job.ranks) *proto.add_ranks() = ToProto(rank);
  if (job.plan) *proto.mutable_plan() = ToProto(*job.plan);
  for (const auto& [rank, progress] : job.progress) *proto.add_progress() = ToProto(progress);
  proto.set_layers_quantized(job.layers_quantized);
  for (const PhaseFinished& phase : job.phases) *proto.add_phases() = ToProto(phase);
  for (const Evaluated& evaluated : job.evaluations) *proto.add_evaluations() = ToProto(evaluated);
  for (const ArtifactInfo& artifact : job.artifacts) *proto.add_artifacts() = ToProto(artifact);
  if (job.training) *proto.mutable_training() = ToProto(*job.training);
  if (job.training_result) *proto.mutable_training_result() = ToProto(*job.training_result);
  proto.set_last_event(job.last_event);
  proto.set_retries(job.retries);
  for (const auto& [source, fetched] : job.sources) *proto.add_sources() = ToProto(fetched);
  return proto;
}

absl::StatusOr<Job> FromProto(const v1::Job& proto) {
  Job job;
  job.id = JobId(proto.id());
  job.request_id = proto.request_id();
  job.owner = proto.owner();
  ASSIGN_OR_RETURN(job.spec, FromProto(proto.spec()));
  ASSIGN_OR_RETURN(job.created, FromProto(proto.create_time()));
  if (proto.has_start_time()) {
    ASSIGN_OR_RETURN(job.started, FromProto(proto.start_time()));
  }
  if (proto.has_finish_time()) {
    ASSIGN_OR_RETURN(job.finished, FromProto(proto.finish_time()));
  }
  ASSIGN_OR_RETURN(job.state, StateFromProto(proto.state()));
  job.error = FromProto(proto.error());
  job.generation = proto.generation();
  for (const v1::RankPlacement& rank : proto.ranks()) job.ranks.push_back(FromProto(rank));
  if (proto.has_plan()) {
    ASSIGN_OR_RETURN(job.plan, FromProto(proto.plan()));
  }
  for (const v1::Progress& progress : proto.progress()) {
    ASSIGN_OR_RETURN(job.progress[progress.rank()], FromProto(progress));
  }
  job.layers_quantized = proto.layers_quantized();
  for (const v1::PhaseFinished& phase : proto.phases()) {
    ASSIGN_OR_RETURN(PhaseFinished finished, FromProto(phase));
    job.phases.push_back(finished);
  }
  for (const v1::Evaluated& evaluated : proto.evaluations()) {
    job.evaluations.push_back(FromProto(evaluated));
  }
  ASSIGN_OR_RETURN(job.artifacts, ArtifactsFromProto(proto.artifacts()));
  if (proto.has_training()) job.training = FromProto(proto.training());
  if (proto.has_training_result()) job.training_result = FromProto(proto.training_result());
  job.last_event = proto.last_event();
  job.retries = proto.retries();
  for (const v1::SourceFetched& fetched : proto.sources()) {
    job.sources[fetched.source()] = FromProto(fetched);
  }
  return job;
}

}  // namespace rondo
