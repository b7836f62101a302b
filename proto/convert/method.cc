#include "proto/convert/method.h"

#include <utility>
#include <variant>

#include "proto/convert/enums.h"
#include "proto/convert/spec.h"

namespace rondo {
namespace {

v1::GptqSettings GptqToProto(const GptqSettings& gptq) {
  v1::GptqSettings proto;
  proto.set_percdamp(gptq.percdamp);
  proto.set_act_order(EnumToProto<v1::ActOrder>(gptq.act_order));
  proto.set_propagate(EnumToProto<v1::Propagate>(gptq.propagate));
  proto.set_block_size(gptq.block_size);
  return proto;
}

absl::StatusOr<GptqSettings> GptqFromProto(const v1::GptqSettings& proto) {
  GptqSettings gptq;
  if (proto.has_percdamp()) gptq.percdamp = proto.percdamp();
  RETURN_IF_ERROR(
      ReadEnum("gptq.act_order", proto.act_order(), ActOrder::kStatic, &gptq.act_order));
  RETURN_IF_ERROR(
      ReadEnum("gptq.propagate", proto.propagate(), Propagate::kQuantized, &gptq.propagate));
  if (proto.block_size() != 0) gptq.block_size = proto.block_size();
  return gptq;
}

struct ParametersToProto {
  v1::LearnedRoundingSettings* proto;

  void operator()(const CodebookSettings& codebook) const {
    v1::CodebookSettings* to = proto->mutable_codebook();
    to->set_dim(codebook.dim);
    to->set_codes(codebook.codes);
    to->set_clustering(EnumToProto<v1::Clustering>(codebook.clustering));
    to->set_scope(EnumToProto<v1::CodebookScope>(codebook.scope));
    to->set_iterations(codebook.iterations);
    to->set_tolerance(codebook.tolerance);
    to->set_max_share(codebook.max_share);
  }
  void operator()(const DenseSettings&) const { proto->mutable_dense(); }
  void operator()(const LowRankSettings& low_rank) const {
    proto->mutable_low_rank()->set_rank(low_rank.rank);
  }
};

absl::StatusOr<CodebookSettings> CodebookFromProto(const v1::CodebookSettings& proto) {
  CodebookSettings codebook;
  if (proto.has_dim()) codebook.dim = proto.dim();
  if (proto.has_codes()) codebook.codes = proto.codes();
  RETURN_IF_ERROR(ReadEnum("codebook.clustering", proto.clustering(), Clustering::kSignPreserving,
                           &codebook.clustering));
  RETURN_IF_ERROR(
      ReadEnum("codebook.scope", proto.scope(), CodebookScope::kModel, &codebook.scope));
  if (proto.has_iterations()) codebook.iterations = proto.iterations();
  if (proto.has_tolerance()) codebook.tolerance = proto.tolerance();
  if (proto.has_max_share()) codebook.max_share = proto.max_share();
  return codebook;
}

using Parameters = decltype(LearnedRoundingSettings::parameters);

absl::StatusOr<Parameters> ParametersFromProto(const v1::LearnedRoundingSettings& proto) {
  switch (proto.parameters_case()) {
    case v1::LearnedRoundingSettings::kCodebook: return CodebookFromProto(proto.codebook());
    case v1::LearnedRoundingSettings::kDense: return DenseSettings{};
    case v1::LearnedRoundingSettings::kLowRank: {
      LowRankSettings low_rank;
      if (proto.low_rank().has_rank()) low_rank.rank = proto.low_rank().rank();
      return low_rank;
    }
    case v1::LearnedRoundingSettings::PARAMETERS_NOT_SET: break;
  }
  return absl::InvalidArgumentError(
      "learned_rounding.parameters is not set; set one of codebook, dense, low_rank");
}

v1::TrainingSettings TrainingToProto(const TrainingSettings& training) {
  v1::TrainingSettings proto;
  proto.set_steps(training.steps);
  proto.set_batch(training.batch);
  proto.set_objective(EnumToProto<v1::Objective>(training.objective));
  proto.set_forward(EnumToProto<v1::RoundingForward>(training.forward));
  proto.set_straight_through_share(training.straight_through_share);
  proto.set_loss(EnumToProto<v1::TrainingLoss>(training.loss));
  proto.set_temperature(training.temperature);
  proto.set_teacher_path(training.teacher.path);
  proto.set_top_k(training.top_k);
  proto.set_learning_rate(training.learning_rate);
  proto.set_warmup(training.warmup);
  proto.set_schedule(EnumToProto<v1::LearningRateSchedule>(training.schedule));
  proto.set_round_weight(training.round_weight);
  proto.set_beta_start(training.beta_start);
  proto.set_beta_end(training.beta_end);
  proto.set_beta_hold(training.beta_hold);
  proto.set_dtype(ToProto(training.dtype));
  proto.set_checkpoint_every(training.checkpoint_every);
  proto.set_replicas(training.replicas);
  return proto;
}

absl::Status ReadTrainingEnums(const v1::TrainingSettings& proto, TrainingSettings* training) {
  RETURN_IF_ERROR(ReadEnum("training.objective", proto.objective(), Objective::kBlockThenEndToEnd,
                           &training->objective));
  RETURN_IF_ERROR(ReadEnum("training.forward", proto.forward(),
                           RoundingForward::kSoftThenStraightThrough, &training->forward));
  RETURN_IF_ERROR(
      ReadEnum("training.loss", proto.loss(), TrainingLoss::kLanguageModel, &training->loss));
  RETURN_IF_ERROR(ReadEnum("training.schedule", proto.schedule(), LearningRateSchedule::kCosine,
                           &training->schedule));
  ASSIGN_OR_RETURN(training->dtype, FromProto(proto.dtype()));
  return absl::OkStatus();
}

absl::StatusOr<TrainingSettings> TrainingFromProto(const v1::TrainingSettings& proto) {
  TrainingSettings training;
  RETURN_IF_ERROR(ReadTrainingEnums(proto, &training));
  if (proto.has_steps()) training.steps = proto.steps();
  if (proto.has_batch()) training.batch = proto.batch();
  if (proto.has_straight_through_share()) {
    training.straight_through_share = proto.straight_through_share();
  }
  if (proto.has_temperature()) training.temperature = proto.temperature();
  training.teacher.path = proto.teacher_path();
  training.top_k = proto.top_k();
  if (proto.has_learning_rate()) training.learning_rate = proto.learning_rate();
  training.warmup = proto.warmup();
  if (proto.has_round_weight()) training.round_weight = proto.round_weight();
  if (proto.has_beta_start()) training.beta_start = proto.beta_start();
  if (proto.has_beta_end()) training.beta_end = proto.beta_end();
  if (proto.has_beta_hold()) training.beta_hold = proto.beta_hold();
  if (proto.has_checkpoint_every()) training.checkpoint_every = proto.checkpoint_every();
  training.replicas = proto.replicas();
  return training;
}

v1::LearnedRoundingSettings LearnedToProto(const LearnedRoundingSettings& learned) {
  v1::LearnedRoundingSettings proto;
  std::visit(ParametersToProto{&proto}, learned.parameters);
  proto.set_init(EnumToProto<v1::RoundingInit>(learned.init));
  *proto.mutable_gptq() = GptqToProto(learned.gptq);
  proto.set_start(EnumToProto<v1::RoundingStart>(learned.start));
  *proto.mutable_training() = TrainingToProto(learned.training);
  return proto;
}

absl::StatusOr<LearnedRoundingSettings> LearnedFromProto(const v1::LearnedRoundingSettings& proto) {
  LearnedRoundingSettings learned;
  ASSIGN_OR_RETURN(learned.parameters, ParametersFromProto(proto));
  RETURN_IF_ERROR(
      ReadEnum("learned_rounding.init", proto.init(), RoundingInit::kGptq, &learned.init));
  ASSIGN_OR_RETURN(learned.gptq, GptqFromProto(proto.gptq()));
  RETURN_IF_ERROR(
      ReadEnum("learned_rounding.start", proto.start(), RoundingStart::kNearest, &learned.start));
  ASSIGN_OR_RETURN(learned.training, TrainingFromProto(proto.training()));
  return learned;
}

}  // namespace

void MethodToProto(const MethodSettings& method, v1::JobSpec* proto) {
  if (std::holds_alternative<EvaluateOnly>(method)) proto->mutable_evaluate_only();
  if (std::holds_alternative<RtnSettings>(method)) proto->mutable_rtn();
  if (const auto* gptq = std::get_if<GptqSettings>(&method)) {
    *proto->mutable_gptq() = GptqToProto(*gptq);
  }
  if (const auto* learned = std::get_if<LearnedRoundingSettings>(&method)) {
    *proto->mutable_learned_rounding() = LearnedToProto(*learned);
  }
}

absl::StatusOr<MethodSettings> MethodFromProto(const v1::JobSpec& proto) {
  switch (proto.method_case()) {
    case v1::JobSpec::kEvaluateOnly: return EvaluateOnly{};
    case v1::JobSpec::kRtn: return RtnSettings{};
    case v1::JobSpec::kGptq: return GptqFromProto(proto.gptq());
    case v1::JobSpec::kLearnedRounding: return LearnedFromProto(proto.learned_rounding());
    case v1::JobSpec::METHOD_NOT_SET: break;
  }
  return absl::InvalidArgumentError(
      "method is not set; set one of evaluate_only, rtn, gptq, learned_rounding");
}

}  // namespace rondo
