#include "client/cli/setting_names.h"

namespace rondo {

const NameTable<DType>& DTypeNames() {
  static const auto& names = *new NameTable<DType>{{"auto", DType::kAuto},
                                                   {"float32", DType::kFloat32},
                                                   {"bfloat16", DType::kBFloat16},
                                                   {"float16", DType::kFloat16}};
  return names;
}

const NameTable<DType>& TrainingDTypeNames() {
  static const auto& names = *new NameTable<DType>{
      {"auto", DType::kAuto}, {"float32", DType::kFloat32}, {"bfloat16", DType::kBFloat16}};
  return names;
}

const NameTable<ActOrder>& ActOrderNames() {
  static const auto& names =
      *new NameTable<ActOrder>{{"none", ActOrder::kNone}, {"static", ActOrder::kStatic}};
  return names;
}

const NameTable<Propagate>& PropagateNames() {
  static const auto& names = *new NameTable<Propagate>{{"fp", Propagate::kFullPrecision},
                                                       {"quantized", Propagate::kQuantized}};
  return names;
}

const NameTable<RoundingInit>& InitNames() {
  static const auto& names =
      *new NameTable<RoundingInit>{{"rtn", RoundingInit::kRtn}, {"gptq", RoundingInit::kGptq}};
  return names;
}

const NameTable<RoundingStart>& StartNames() {
  static const auto& names = *new NameTable<RoundingStart>{
      {"fractional", RoundingStart::kFractional}, {"nearest", RoundingStart::kNearest}};
  return names;
}

const NameTable<LearningRateSchedule>& ScheduleNames() {
  static const auto& names =
      *new NameTable<LearningRateSchedule>{{"constant", LearningRateSchedule::kConstant},
                                           {"linear", LearningRateSchedule::kLinear},
                                           {"cosine", LearningRateSchedule::kCosine}};
  return names;
}

const NameTable<RoundingForward>& ForwardNames() {
  static const auto& names = *new NameTable<RoundingForward>{
      {"soft", RoundingForward::kSoft},
      {"straight-through", RoundingForward::kStraightThrough},
      {"soft-then-straight-through", RoundingForward::kSoftThenStraightThrough}};
  return names;
}

const NameTable<Objective>& ObjectiveNames() {
  static const auto& names =
      *new NameTable<Objective>{{"e2e", Objective::kEndToEnd},
                                {"block", Objective::kBlock},
                                {"block+e2e", Objective::kBlockThenEndToEnd}};
  return names;
}

const NameTable<TrainingLoss>& LossNames() {
  static const auto& names = *new NameTable<TrainingLoss>{{"kd", TrainingLoss::kDistillation},
                                                          {"lm", TrainingLoss::kLanguageModel}};
  return names;
}

const NameTable<Clustering>& ClusteringNames() {
  static const auto& names =
      *new NameTable<Clustering>{{"l2", Clustering::kL2},
                                 {"linf", Clustering::kLinf},
                                 {"sign-preserving", Clustering::kSignPreserving}};
  return names;
}

const NameTable<CodebookScope>& ScopeNames() {
  static const auto& names = *new NameTable<CodebookScope>{{"linear", CodebookScope::kLinear},
                                                           {"layer", CodebookScope::kLayer},
                                                           {"model", CodebookScope::kModel}};
  return names;
}

}  // namespace rondo
