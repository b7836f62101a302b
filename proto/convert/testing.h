// Values for tests of the protocol: every field of them differs from its default, so a field that a
// conversion forgets shows.
#pragma once

#include <vector>

#include "common/domain/job.h"
#include "common/domain/job_spec.h"

namespace rondo {

inline JobSpec FullSpec() {
  JobSpec spec;
  spec.model.path = "/m";
  spec.calibration = {"/c.npy", 3, 64, 9};
  spec.grid = {3, -1, false};
  spec.method = GptqSettings{0.0, ActOrder::kStatic, Propagate::kQuantized, 32};
  spec.compute = {DType::kBFloat16, 4, 2};
  spec.workers = 2;
  spec.priority = -3;
  spec.evaluation = {{{"wiki", "/w"}, {"c4", "/d"}}, 128, 7, false};
  spec.exports = {ExportFormat::kDense, ExportFormat::kCompressedTensors};
  spec.overrides = {{.pattern = "*.0.*", .skip = true},
                    {.pattern = "*", .bits = 8, .group_size = -1, .method = LayerMethod::kRtn}};
  return spec;
}

inline LearnedRoundingSettings LearnedRounding() {
  LearnedRoundingSettings learned;
  learned.parameters =
      CodebookSettings{3, 17, Clustering::kLinf, CodebookScope::kLayer, 0, 0.0, 0.25};
  learned.init = RoundingInit::kRtn;
  learned.gptq = {0.5, ActOrder::kStatic, Propagate::kFullPrecision, 16};
  learned.start = RoundingStart::kFractional;
  TrainingSettings& training = learned.training;
  training.steps = 0;
  training.batch = 6;
  training.objective = Objective::kBlockThenEndToEnd;
  training.forward = RoundingForward::kSoftThenStraightThrough;
  training.straight_through_share = 0;
  training.loss = TrainingLoss::kLanguageModel;
  training.temperature = 0;
  training.teacher.path = "/t";
  training.top_k = 64;
  training.learning_rate = 0;
  training.warmup = 0.25;
  training.schedule = LearningRateSchedule::kLinear;
  training.round_weight = 0;
  training.beta_start = 0;
  training.beta_end = 1;
  training.beta_hold = 0;
  training.dtype = DType::kBFloat16;
  training.checkpoint_every = 0;
  training.replicas = 3;
  return learned;
}

inline std::vector<EventBody> AllBodies() {
  const Plan plan{{{0, 3, 100}, {3, 5, 200}},
                  2,
                  true,
                  DType::kFloat16,
                  DType::kBFloat16,
                  true,
                  6,
                  7,
                  8.5,
                  9,
                  10,
                  11,
                  {"note"},
                  {7, 0},
                  12};
  return {StateChanged{JobState::kFailed, absl::NotFoundError("gone"), "alice", true},
          GangFormed{4, {{WorkerId("w"), "h", "cuda:1"}}},
          PlanMade{plan},
          Progress{Phase::kPreflight, 1, 2, 3, "layers"},
          PhaseFinished{Phase::kEvaluate, 1, 2.5, 3e9, 1 << 28},
          LayerQuantized{3, 1, 0.5, {{"mlp.up_proj", 0.1, 0.01, 4}}},
          Note{Severity::kWarning, -1, "careful"},
          Evaluated{"wiki", true, 12.5, 100, true},
          ArtifactsPublished{{{ExportFormat::kDense, "model.safetensors", 5, "ab"}}},
          LayerClustered{3, 1, 0.5, {{"mlp.up_proj", 128, 0.01, 0.02, 0.125, 9}}},
          TrainingStep{3, 20, "e2e", 1.5, 1.25, 0.25, 0.5, 0.01, 900, 4.5},
          TrainingFinished{100, 800, 0.25, 0.125, 1.5, 2.5, 1 << 20},
          SourceFetched{"s3://b/m", "/d/m", 5, 6}};
}

}  // namespace rondo
