#include "server/core/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/core/testing.h"

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int64_t> Lengths(int64_t layers, int stages) {
  std::vector<int64_t> lengths;
  int64_t next = 0;
  for (const StagePlan& stage : SplitLayers(layers, stages)) {
    EXPECT_EQ(stage.first_layer, next);
    next = stage.end_layer;
    lengths.push_back(stage.end_layer - stage.first_layer);
  }
  EXPECT_EQ(next, layers);
  return lengths;
}

TEST(PlannerTest, SplitsLayersEvenly) {
  EXPECT_THAT(Lengths(30, 2), ElementsAre(15, 15));
  EXPECT_THAT(Lengths(30, 4), ElementsAre(7, 8, 8, 7));
  EXPECT_THAT(Lengths(5, 3), ElementsAre(2, 2, 1));
  EXPECT_THAT(Lengths(4, 4), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(Lengths(3, 1), ElementsAre(3));
}

WorkerInfo Worker(const std::string& device, int64_t memory_bytes = int64_t{1} << 40) {
  return {WorkerId("w"), "h", "v", device, memory_bytes, 1, /*bf16=*/true};
}

TEST(PlannerTest, AutomaticDTypeNeedsGpusAndStatistics) {
  JobSpec spec = TinySpec(2);
  EXPECT_EQ(ResolveDType(spec, {Worker("cuda:0"), Worker("cuda:0")}), DType::kBFloat16);
  EXPECT_EQ(ResolveDType(spec, {Worker("cuda:0"), Worker("cpu")}), DType::kFloat32);
  EXPECT_EQ(ResolveDType(spec, {}), DType::kFloat32);
  spec.method = RtnSettings{};
  EXPECT_EQ(ResolveDType(spec, {Worker("cuda:0")}), DType::kFloat32);
  spec.compute.dtype = DType::kFloat16;
  EXPECT_EQ(ResolveDType(spec, {Worker("cuda:0")}), DType::kFloat16);
}

TEST(PlannerTest, OverridesAreCounted) {
  JobSpec spec = TinySpec(1);
  spec.overrides = {{.pattern = "*.down_proj", .skip = true}, {.pattern = "*.0.*", .bits = 8}};
  const ModelFacts facts = *CheckSpec(spec);
  const Plan plan = MakePlan(spec, facts, {{1, 1}}, {Worker("cpu")});
  const int64_t layers = facts.config.num_layers;
  EXPECT_THAT(plan.override_layers, ElementsAre(layers, 7));
  const int64_t down = facts.config.hidden_size * facts.config.intermediate_size;
  // The second override takes the down_proj of layer 0 back.
  EXPECT_EQ(plan.quantized_weights,
            layers * facts.layout.LinearWeightsPerLayer() - (layers - 1) * down);
}

TEST(PlannerTest, PlanOfTheTinyModel) {
  JobSpec spec = TinySpec(2);
  spec.evaluation = {{{"held", "tests/data/text/heldout.txt"}}, 32, 5, true};
  std::get<GptqSettings>(spec.method).propagate = Propagate::kFullPrecision;
  const auto facts = CheckSpec(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  const Plan plan = MakePlan(spec, *facts, {{2, 1}}, {Worker("cuda:0"), Worker("cuda:0")});
  ASSERT_EQ(plan.stages.size(), 2u);
  EXPECT_EQ(plan.dtype, DType::kBFloat16);
  EXPECT_EQ(plan.micro_batches, 4);
  const int64_t hidden = facts->config.hidden_size;
  EXPECT_EQ(plan.wire_bytes, hidden * 4 * 32 * 2 + hidden * 2 * 5 * 32 * 4);
  EXPECT_EQ(plan.quantized_weights,
            facts->config.num_layers * facts->layout.LinearWeightsPerLayer());
  EXPECT_GT(plan.checkpoint_bytes, plan.export_bytes);
  EXPECT_GT(plan.stages[0].memory_bytes, plan.quantized_weights / 2 * 4);
  EXPECT_THAT(plan.notes, testing::IsEmpty());
  EXPECT_EQ(MakePlan(spec, *facts, {{1, 1}}, {Worker("cuda:0")}).wire_bytes, 0);
}

// The most that can be asked for is beyond int64.
TEST(PlannerTest, WireBytesEndSomewhere) {
  JobSpec spec = TinySpec(2);
  const auto facts = CheckSpec(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  spec.calibration.seq_len = 1 << 20;
  LearnedRoundingSettings learned;
  learned.training.steps = 10'000'000;
  learned.training.batch = 4096;
  spec.method = learned;
  EXPECT_EQ(MakePlan(spec, *facts, {{2, 1}}, {}).wire_bytes, int64_t{1} << 62);
}

TEST(PlannerTest, NotesSayWhatTheUserShouldKnow) {
  JobSpec spec = TinySpec(2);
  std::get<GptqSettings>(spec.method).propagate = Propagate::kQuantized;
  const ModelFacts facts = *CheckSpec(spec);
  const Plan plan = MakePlan(spec, facts, {{2, 1}}, {Worker("cpu"), Worker("cpu", 1 << 10)});
  EXPECT_TRUE(plan.sequential);
  EXPECT_THAT(plan.notes, ElementsAre("layers are sequential with propagate quantized: the 2 "
                                      "stages take turns, so they are no faster than one",
                                      HasSubstr("but cpu of worker w has 0.0 GiB")));
}

JobSpec TinyTraining(int64_t batch) {
  JobSpec spec = TinySpec(0);
  LearnedRoundingSettings learned;
  learned.init = RoundingInit::kRtn;
  learned.training.steps = 10;
  learned.training.batch = batch;
  spec.method = learned;
  return spec;
}

TEST(PlannerTest, TrainingDTypeIsBFloat16WhereItIsFast) {
  JobSpec spec = TinyTraining(1);
  WorkerInfo slow = Worker("cpu");
  slow.bf16 = false;
  EXPECT_EQ(ResolveTrainingDType(spec, {Worker("cpu"), Worker("cpu")}), DType::kBFloat16);
  EXPECT_EQ(ResolveTrainingDType(spec, {Worker("cpu"), slow}), DType::kFloat32);
  EXPECT_EQ(ResolveTrainingDType(spec, {}), DType::kFloat32);
  std::get<LearnedRoundingSettings>(spec.method).training.dtype = DType::kFloat32;
  EXPECT_EQ(ResolveTrainingDType(spec, {Worker("cpu")}), DType::kFloat32);
  EXPECT_EQ(ResolveTrainingDType(TinySpec(1), {Worker("cpu")}), DType::kFloat32);
}

TEST(PlannerTest, ReplicasAreChosenWhereEachHasRoom) {
  const JobSpec spec = TinyTraining(4);
  const ModelFacts facts = *CheckSpec(spec);
  const auto shapes = *ShapesOf(spec, facts.config, 4);
  const auto plan = [&](int64_t memory_bytes) {
    return MakePlan(spec, facts, shapes, std::vector<WorkerInfo>(4, Worker("cpu", memory_bytes)));
  };
  const Plan roomy = plan(int64_t{1} << 40);
  EXPECT_EQ(roomy.replicas, 4);
  ASSERT_EQ(roomy.stages.size(), 1u);
  EXPECT_EQ(WorldSize(roomy), 4);
  EXPECT_EQ(roomy.training_dtype, DType::kBFloat16);
  EXPECT_EQ(roomy.wire_bytes, 0);
  EXPECT_TRUE(roomy.keep_graphs);

  const Plan tighter = plan(roomy.stages[0].memory_bytes - 1);
  EXPECT_EQ(tighter.replicas, 2);
  EXPECT_EQ(tighter.stages.size(), 2u);
  EXPECT_THAT(tighter.notes, testing::IsEmpty());
  // The teacher's states, then every step's forward and backward.
  const int64_t hidden = facts.config.hidden_size;
  EXPECT_EQ(tighter.wire_bytes, hidden * 4 * 32 * 4 + hidden * 10 * 4 * 32 * 2 * 2);

  const Plan none = plan(1);
  EXPECT_FALSE(none.keep_graphs);
  EXPECT_EQ(none.replicas, 1);
  EXPECT_EQ(none.stages.size(), 4u);
  EXPECT_EQ(none.notes.size(), 4u);
}

// Rather than fewer replicas.
TEST(PlannerTest, LayersAreComputedAgainWhereTheirGraphsHaveNoRoom) {
  JobSpec spec = TinyTraining(4);
  spec.calibration.seq_len = 4096;
  const ModelFacts facts = *CheckSpec(TinyTraining(4));
  const auto plan = [&](int64_t memory_bytes) {
    return MakePlan(spec, facts, *ShapesOf(spec, facts.config, 4),
                    std::vector<WorkerInfo>(4, Worker("cpu", memory_bytes)));
  };
  const Plan kept = plan(int64_t{1} << 40);
  EXPECT_TRUE(kept.keep_graphs);
  const Plan recomputed = plan(kept.stages[0].memory_bytes - 1);
  EXPECT_FALSE(recomputed.keep_graphs);
  EXPECT_EQ(recomputed.replicas, 4);
  EXPECT_LT(recomputed.stages[0].memory_bytes, kept.stages[0].memory_bytes);
}

}  // namespace
}  // namespace rondo
