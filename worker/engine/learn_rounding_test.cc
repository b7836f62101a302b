// Training on the tiny LLaMA: gradients through the whole model, and stages and replicas as threads
// of one process over Gloo.
#include "worker/engine/learn_rounding.h"

#include <memory>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/gang_fixture.h"
#include "worker/engine/initialise.h"
#include "worker/engine/learned_start.h"
#include "worker/engine/teacher.h"
#include "worker/engine/train_pipeline.h"
#include "worker/train/student.h"

namespace rondo {
namespace {

LearnedRoundingSettings Method() {
  LearnedRoundingSettings method;
  method.init = RoundingInit::kRtn;
  method.training.steps = 20;
  method.training.checkpoint_every = 0;
  return method;
}

JobSpec SpecOf(const LearnedRoundingSettings& method) {
  JobSpec spec;
  spec.model.path = kTinyLlama;
  spec.grid = {2, -1, false};
  spec.method = method;
  return spec;
}

std::vector<SolvedLayer> Start(const RankContext& ctx) {
  std::vector<SolvedLayer> start;
  const absl::Status done = QuantizeIndependentLayers(
      ctx, at::Tensor(), [&](int64_t, SolvedLayer solved) -> absl::Status {
        start.push_back(std::move(solved));
        return absl::OkStatus();
      });
  EXPECT_TRUE(done.ok()) << done;
  return start;
}

// The values of all trained variables, layer by layer.
std::vector<at::Tensor> Train(const RankContext& ctx) {
  auto layers = TrainRounding(ctx, RandomTokens(ctx.config.vocab_size), Start(ctx));
  EXPECT_TRUE(layers.ok()) << layers.status();
  std::vector<at::Tensor> values;
  if (!layers.ok()) return values;
  for (const RoundedLayer& layer : *layers) {
    for (const auto& variables : layer.variables) {
      for (const Parameter& parameter : variables->parameters()) values.push_back(parameter.value);
    }
  }
  return values;
}

// Trained variables of the first replica, in order of layers. A gang with a folder of its own
// keeps its checkpoints there; `notes` gets what the lead notes.
std::vector<at::Tensor> TrainOn(const LearnedRoundingSettings& method, int stages, int replicas,
                                bool keep_graphs = false, const std::string& folder = "",
                                std::vector<Note>* notes = nullptr) {
  ScopedDir cache;
  const int size = stages * replicas;
  std::vector<std::vector<at::Tensor>> values(size);
  RunGang(SpecOf(method), stages, replicas, [&](TestRank& own) {
    own.task.cache_dir = cache / std::to_string(own.task.rank);
    own.task.artifact_dir = folder;
    own.task.plan.keep_graphs = keep_graphs;
    values[own.task.rank] = Train(own.ctx);
    if (own.task.rank == 0 && notes != nullptr) *notes = own.Reported<Note>();
  });
  std::vector<at::Tensor> all;
  for (int stage = 0; stage < stages; ++stage) {
    all.insert(all.end(), values[stage].begin(), values[stage].end());
  }
  return all;
}

double LargestDifference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

TEST(LearnRoundingTest, OneTwoAndFourStagesGiveTheSameBits) {
  const std::vector<at::Tensor> one = TrainOn(Method(), 1, 1);
  ASSERT_EQ(one.size(), 4U * 7U);
  EXPECT_EQ(LargestDifference(one, TrainOn(Method(), 2, 1)), 0);
  EXPECT_EQ(LargestDifference(one, TrainOn(Method(), 4, 1)), 0);
}

TEST(LearnRoundingTest, GraphsThatAreKeptGiveTheSameBits) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 3;
  method.training.steps = 6;
  const std::vector<at::Tensor> again = TrainOn(method, 1, 1);
  EXPECT_EQ(LargestDifference(again, TrainOn(method, 1, 1, /*keep_graphs=*/true)), 0);
  EXPECT_EQ(LargestDifference(again, TrainOn(method, 2, 1, /*keep_graphs=*/true)), 0);
}

TEST(LearnRoundingTest, SeveralWindowsAStepGiveTheSameBitsOnStages) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 3;
  method.training.steps = 6;
  method.training.forward = RoundingForward::kSoftThenStraightThrough;
  EXPECT_EQ(LargestDifference(TrainOn(method, 1, 1), TrainOn(method, 4, 1)), 0);
}

TEST(LearnRoundingTest, BlocksGiveTheSameBitsOnStages) {
  LearnedRoundingSettings method = Method();
  method.training.objective = Objective::kBlockThenEndToEnd;
  method.training.steps = 6;
  EXPECT_EQ(LargestDifference(TrainOn(method, 1, 1), TrainOn(method, 2, 1)), 0);
}

// The order of a sum over the batch is all that differs, and Adam's first steps are about signs.
TEST(LearnRoundingTest, ReplicasAgreeWithOneWorker) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 4;
  method.training.steps = 10;
  method.training.forward = RoundingForward::kSoft;
  const std::vector<at::Tensor> one = TrainOn(method, 1, 1);
  const std::vector<at::Tensor> replicas = TrainOn(method, 1, 2);
  ASSERT_EQ(one.size(), replicas.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    difference += (one[i] - replicas[i]).square().sum().item<double>();
    size += one[i].square().sum().item<double>();
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-4);
  EXPECT_LT(LargestDifference(TrainOn(method, 2, 2), replicas), 1e-6);
}

// Of 20 steps with a checkpoint every 5, that of step 15 is left.
TEST(LearnRoundingTest, TrainingGoesOnFromACheckpointOnlyIfItIsWhole) {
  LearnedRoundingSettings method = Method();
  method.training.checkpoint_every = 5;
  ScopedDir dir;
  std::vector<Note> notes;
  const std::vector<at::Tensor> one = TrainOn(method, 1, 1, false, dir / "job", &notes);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(LargestDifference(one, TrainOn(method, 2, 1, false, dir / "job", &notes)), 0);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0].message, "training goes on from the checkpoint of step 15");

  const std::string file = dir / "job/checkpoint/layer-00001-step-000015.safetensors";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  EXPECT_EQ(LargestDifference(one, TrainOn(method, 2, 1, false, dir / "job", &notes)), 0);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_THAT(notes[0].message,
              testing::StartsWith("training does not go on from step 15: " + file));
  EXPECT_TRUE(FileExists(file + ".corrupt"));
}

TEST(LearnRoundingTest, TheBaselinesTrain) {
  for (const bool dense : {true, false}) {
    LearnedRoundingSettings method = Method();
    method.training.steps = 3;
    if (dense) {
      method.parameters = DenseSettings();
    } else {
      method.parameters = LowRankSettings();
    }
    const std::vector<at::Tensor> values = TrainOn(method, 2, 1);
    EXPECT_EQ(values.size(), 4U * 7U * (dense ? 1 : 2));
  }
}

// d loss / d codebook through all layers, soft weights in float32, against central differences.
TEST(LearnRoundingTest, GradientsThroughTheWholeModelAreThoseOfFiniteDifferences) {
  const at::NoGradGuard no_grad;
  ScopedDir cache;
  TestRank rank(SpecOf(Method()), SingleRank(), 1);
  rank.task.cache_dir = cache / "cache";
  const at::Tensor tokens = RandomTokens(rank.ctx.config.vocab_size);
  std::vector<RoundedLayer> layers = *StartRounding(rank.ctx, Start(rank.ctx));
  const Teacher teacher = *PrepareTeacher(rank.ctx, tokens);
  const auto stage = *LoadStage(*rank.ctx.checkpoint, rank.ctx.config, {0, 4, true, true, false},
                                at::kFloat, at::kCPU);
  std::vector<std::unique_ptr<StudentProduct>> products;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < layers[layer].linears.size(); ++i) {
      products.push_back(
          std::make_unique<StudentProduct>(layers[layer].linears[i].get(), at::kFloat));
      stage->layers()[layer]->linears()[i].product = products.back().get();
    }
  }
  const auto loss = DistillHiddenStates(teacher.cache.get(), stage->head(), 1.0);
  TrainPipeline pipeline(rank.ctx, *stage, tokens, stage->head(), loss.get());
  const auto forward = [&](Variables& variables, double scale) {
    variables.SetForward(/*hard=*/false);
    return *pipeline.Run({0, 1}, scale);
  };
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) variables->SetForward(false);
  }
  ASSERT_TRUE(pipeline.Run({0, 1}, 1).ok());
  for (const size_t layer : {size_t{0}, size_t{3}}) {
    for (const size_t linear : {size_t{1}, size_t{3}, size_t{6}}) {
      Variables& variables = *layers[layer].variables[linear];
      variables.FinishStep({});
      Parameter& parameter = variables.parameters().front();
      const int64_t entry = parameter.gradient.abs().argmax().item<int64_t>();
      const at::Tensor value = parameter.value.view({-1})[entry];
      const double before = value.item<double>(), step = 0.02;
      value.fill_(before + step);
      const double up = forward(variables, 0);
      value.fill_(before - step);
      const double down = forward(variables, 0);
      value.fill_(before);
      variables.SetForward(false);
      const double gradient = parameter.gradient.view({-1})[entry].item<double>();
      EXPECT_NEAR((up - down) / (2 * step), gradient, 0.02 * std::abs(gradient) + 5e-4)
          << "layer " << layer << ", linear " << linear;
    }
  }
}

}  // namespace
}  // namespace rondo
