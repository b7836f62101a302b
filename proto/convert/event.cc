#include "proto/convert/event.h"

#include <utility>

#include "proto/convert/enums.h"
#include "proto/convert/training.h"

namespace rondo {
namespace {

absl::StatusOr<Phase> PhaseFromProto(v1::Phase phase) {
  return EnumFromProto("phase", phase, Phase::kPreflight);
}

struct BodyToProto {
  v1::JobEvent* proto;

  void operator()(const StateChanged& change) const {
    auto* body = proto->mutable_state_changed();
    body->set_state(EnumToProto<v1::JobState>(change.state));
    if (!change.error.ok()) *body->mutable_error() = ToProto(change.error);
    body->set_by(change.by);
    body->set_retry(change.retry);
  }
  void operator()(const GangFormed& gang) const {
    proto->mutable_gang_formed()->set_generation(gang.generation);
    for (const RankPlacement& rank : gang.ranks) {
      *proto->mutable_gang_formed()->add_ranks() = ToProto(rank);
    }
  }
  void operator()(const PlanMade& made) const {
    *proto->mutable_plan_made()->mutable_plan() = ToProto(made.plan);
  }
  void operator()(const Progress& progress) const {
    *proto->mutable_progress() = ToProto(progress);
  }
  void operator()(const PhaseFinished& finished) const {
    *proto->mutable_phase_finished() = ToProto(finished);
  }
  void operator()(const LayerQuantized& quantized) const {
    *proto->mutable_layer_quantized() = ToProto(quantized);
  }
  void operator()(const Note& note) const {
    auto* body = proto->mutable_note();
    body->set_severity(EnumToProto<v1::Note::Severity>(note.severity));
    body->set_rank(note.rank);
    body->set_message(note.message);
  }
  void operator()(const Evaluated& evaluated) const {
    *proto->mutable_evaluated() = ToProto(evaluated);
  }
  void operator()(const ArtifactsPublished& published) const {
    auto* body = proto->mutable_artifacts_published();
    for (const ArtifactInfo& artifact : published.artifacts) {
      *body->add_artifacts() = ToProto(artifact);
    }
  }
  void operator()(const SourceFetched& fetched) const {
    *proto->mutable_source_fetched() = ToProto(fetched);
  }
  void operator()(const LayerClustered& clustered) const {
    *proto->mutable_layer_clustered() = ToProto(clustered);
  }
  void operator()(const TrainingStep& step) const {
    *proto->mutable_training_step() = ToProto(step);
  }
  void operator()(const TrainingFinished& finished) const {
    *proto->mutable_training_finished() = ToProto(finished);
  }
};

absl::StatusOr<EventBody> StateChangedFromProto(const v1::StateChanged& proto) {
  ASSIGN_OR_RETURN(JobState state, StateFromProto(proto.state()));
  StateChanged change{state, FromProto(proto.error())};
  change.retry = proto.retry();
  change.by = proto.by();
  return change;
}

absl::StatusOr<EventBody> NoteFromProto(const v1::Note& proto) {
  ASSIGN_OR_RETURN(Severity severity,
                   EnumFromProto("severity", proto.severity(), Severity::kWarning));
  return Note{severity, proto.rank(), proto.message()};
}

GangFormed GangFromProto(const v1::GangFormed& proto) {
  GangFormed gang{proto.generation(), {}};
  for (const v1::RankPlacement& rank : proto.ranks()) gang.ranks.push_back(FromProto(rank));
  return gang;
}

absl::StatusOr<EventBody> BodyFromProto(const v1::JobEvent& proto) {
  switch (proto.body_case()) {
    case v1::JobEvent::kStateChanged: return StateChangedFromProto(proto.state_changed());
    case v1::JobEvent::kGangFormed: return GangFromProto(proto.gang_formed());
    case v1::JobEvent::kPlanMade: {
      ASSIGN_OR_RETURN(Plan plan, FromProto(proto.plan_made().plan()));
      return PlanMade{std::move(plan)};
    }
    case v1::JobEvent::kProgress: return FromProto(proto.progress());
    case v1::JobEvent::kPhaseFinished: return FromProto(proto.phase_finished());
    case v1::JobEvent::kLayerQuantized: return FromProto(proto.layer_quantized());
    case v1::JobEvent::kNote: return NoteFromProto(proto.note());
    case v1::JobEvent::kEvaluated: return FromProto(proto.evaluated());
    case v1::JobEvent::kArtifactsPublished: {
      ASSIGN_OR_RETURN(auto artifacts, ArtifactsFromProto(proto.artifacts_published().artifacts()));
      return ArtifactsPublished{std::move(artifacts)};
    }
    case v1::JobEvent::kLayerClustered: return FromProto(proto.layer_clustered());
    case v1::JobEvent::kTrainingStep: return FromProto(proto.training_step());
    case v1::JobEvent::kTrainingFinished: return FromProto(proto.training_finished());
    case v1::JobEvent::kSourceFetched: return FromProto(proto.source_fetched());
    case v1::JobEvent::BODY_NOT_SET: break;
  }
  return absl::InvalidArgumentError("event has no body that this version knows");
}

}  // namespace

absl::StatusOr<JobState> StateFromProto(v1::JobState state) {
  return EnumFromProto("state", state, JobState::kCancelled);
}

v1::JobState ToProto(JobState state) { return EnumToProto<v1::JobState>(state); }

v1::RankPlacement ToProto(const RankPlacement& rank) {
  v1::RankPlacement proto;
  proto.set_worker_id(rank.worker.value());
  proto.set_host(rank.host);
  proto.set_device(rank.device);
  return proto;
}

RankPlacement FromProto(const v1::RankPlacement& proto) {
  return {WorkerId(proto.worker_id()), proto.host(), proto.device()};
}

v1::SourceFetched ToProto(const SourceFetched& fetched) {
  v1::SourceFetched proto;
  proto.set_source(fetched.source);
  proto.set_path(fetched.path);
  proto.set_files(fetched.files);
  proto.set_bytes(fetched.bytes);
  return proto;
}

SourceFetched FromProto(const v1::SourceFetched& proto) {
  return {proto.source(), proto.path(), proto.files(), proto.bytes()};
}

v1::Progress ToProto(const Progress& progress) {
  v1::Progress proto;
  proto.set_phase(EnumToProto<v1::Phase>(progress.phase));
  proto.set_rank(progress.rank);
  proto.set_done(progress.done);
  proto.set_total(progress.total);
  proto.set_unit(progress.unit);
  return proto;
}

absl::StatusOr<Progress> FromProto(const v1::Progress& proto) {
  ASSIGN_OR_RETURN(Phase phase, PhaseFromProto(proto.phase()));
  return Progress{phase, proto.rank(), proto.done(), proto.total(), proto.unit()};
}

v1::PhaseFinished ToProto(const PhaseFinished& finished) {
  v1::PhaseFinished proto;
  proto.set_phase(EnumToProto<v1::Phase>(finished.phase));
  proto.set_rank(finished.rank);
  proto.set_seconds(finished.seconds);
  proto.set_matmul_flop(finished.matmul_flop);
  proto.set_peak_bytes(finished.peak_bytes);
  return proto;
}

absl::StatusOr<PhaseFinished> FromProto(const v1::PhaseFinished& proto) {
  ASSIGN_OR_RETURN(Phase phase, PhaseFromProto(proto.phase()));
  return PhaseFinished{phase, proto.rank(), proto.seconds(), proto.matmul_flop(),
                       proto.peak_bytes()};
}

v1::Evaluated ToProto(const Evaluated& evaluated) {
  v1::Evaluated proto;
  proto.set_set(evaluated.set);
  proto.set_quantized(evaluated.quantized);
  proto.set_perplexity(evaluated.perplexity);
  proto.set_tokens(evaluated.tokens);
  proto.set_before_training(evaluated.before_training);
  return proto;
}

Evaluated FromProto(const v1::Evaluated& proto) {
  return {proto.set(), proto.quantized(), proto.perplexity(), proto.tokens(),
          proto.before_training()};
}

v1::LayerQuantized ToProto(const LayerQuantized& quantized) {
  v1::LayerQuantized proto;
  proto.set_layer(quantized.layer);
  proto.set_rank(quantized.rank);
  proto.set_seconds(quantized.seconds);
  for (const LinearReport& linear : quantized.linears) {
    v1::LinearReport* added = proto.add_linears();
    added->set_name(linear.name);
    added->set_relative_error(linear.relative_error);
    added->set_percdamp_used(linear.percdamp_used);
    added->set_dead_columns(linear.dead_columns);
  }
  return proto;
}

LayerQuantized FromProto(const v1::LayerQuantized& proto) {
  LayerQuantized quantized{proto.layer(), proto.rank(), proto.seconds(), {}};
  for (const v1::LinearReport& linear : proto.linears()) {
    quantized.linears.push_back(
        {linear.name(), linear.relative_error(), linear.percdamp_used(), linear.dead_columns()});
  }
  return quantized;
}

v1::JobEvent ToProto(const JobEvent& event) {
  v1::JobEvent proto;
  proto.set_number(event.number);
  *proto.mutable_time() = ToProto(event.time);
  proto.set_generation(event.generation);
  std::visit(BodyToProto{&proto}, event.body);
  return proto;
}

absl::StatusOr<JobEvent> FromProto(const v1::JobEvent& proto) {
  JobEvent event;
  event.number = proto.number();
  ASSIGN_OR_RETURN(event.time, FromProto(proto.time()));
  event.generation = proto.generation();
  ASSIGN_OR_RETURN(event.body, BodyFromProto(proto));
  return event;
}

}  // namespace rondo
