#include "server/core/stage_memory.h"

#include <gtest/gtest.h>

#include "server/core/planner.h"

namespace rondo {
namespace {

constexpr int64_t kSeqLen = 32;
// Of SmallFacts(), in bfloat16: one layer's graph of one window, and its weights.
constexpr int64_t kGraph = kSeqLen * (7 * 16 + 2 * 1 * 8 + 3 * 48) * 2;
constexpr int64_t kLayerWeights = int64_t{2} * 48 * 16 * 2;

// Two linears a layer: 48 x 16 and 16 x 48, one norm of 16; 100 tokens; the head is tied.
ModelFacts SmallFacts() {
  ModelFacts facts;
  facts.config.num_layers = 4;
  facts.config.hidden_size = 16;
  facts.config.intermediate_size = 48;
  facts.config.num_heads = 2;
  facts.config.num_kv_heads = 1;
  facts.config.head_dim = 8;
  facts.config.vocab_size = 100;
  facts.config.tie_word_embeddings = true;
  facts.layout.layer_prefix = "layers.";
  facts.layout.linears = {{"up", 48, 16, false, 0}, {"down", 16, 48, false, 1}};
  facts.layout.layer_others = {{"norm", {16}}};
  facts.layout.embedding = {{"embed", {100, 16}}};
  facts.layout.head = {{"norm", {16}}};
  facts.bytes_per_weight = 2;
  return facts;
}

JobSpec Spec() {
  JobSpec spec;
  spec.calibration.seq_len = kSeqLen;
  spec.calibration.samples = 2;
  spec.grid.group_size = 16;
  LearnedRoundingSettings learned;
  learned.parameters = CodebookSettings{.dim = 8, .codes = 10};
  learned.training.batch = 3;
  spec.method = learned;
  return spec;
}

LearnedRoundingSettings& Learned(JobSpec& spec) {
  return std::get<LearnedRoundingSettings>(spec.method);
}

Plan TwoStages() {
  Plan plan;
  plan.stages = SplitLayers(4, 2);
  plan.training_dtype = DType::kBFloat16;
  return plan;
}

TEST(StageMemoryTest, TrainingIsTheSumOfItsParts) {
  const JobSpec spec = Spec();
  const auto& learned = std::get<LearnedRoundingSettings>(spec.method);
  const TrainingMemory first = TrainingMemoryOf(learned, spec, SmallFacts(), TwoStages(), 0);
  constexpr int64_t kWeights = int64_t{2} * 2 * 48 * 16;              // two layers
  EXPECT_EQ(first.start, kWeights + int64_t{2} * (48 + 16 * 3) * 8);  // and scales, zero points
  EXPECT_EQ(first.base, kWeights);
  EXPECT_EQ(first.variables,
            kWeights / 8 * 2 + int64_t{4} * 10 * 8 * 32);  // four codebooks of 10 rows
  EXPECT_EQ(first.other, int64_t{2 * 16 + 100 * 16} * 2);
  EXPECT_EQ(first.teacher, 0);
  EXPECT_EQ(first.graphs, int64_t{2} * 2 * kSeqLen * 16 * 2 +  // two windows are under way
                              2 * (kGraph + kLayerWeights));
  EXPECT_EQ(first.divergence, 0);
  EXPECT_EQ(first.Total(), first.start + first.base + first.variables + first.other + first.graphs);

  const TrainingMemory last = TrainingMemoryOf(learned, spec, SmallFacts(), TwoStages(), 1);
  EXPECT_EQ(last.other, int64_t{2} * 16 * 2 + int64_t{16 + 100 * 16} * 2);  // the tied head
  EXPECT_EQ(last.teacher, int64_t{100} * 16 * 2 + int64_t{2} * kSeqLen * 16 * 2);
  EXPECT_EQ(last.graphs, int64_t{2} * kSeqLen * 16 * 2 + 2 * (kGraph + kLayerWeights));
  EXPECT_EQ(last.divergence, int64_t{3} * kSeqLen * 100 * 2);
}

TEST(StageMemoryTest, KeptGraphsAreThoseOfAllLayersAndWindows) {
  const JobSpec spec = Spec();
  const auto& learned = std::get<LearnedRoundingSettings>(spec.method);
  Plan plan = TwoStages();
  plan.keep_graphs = true;
  EXPECT_EQ(TrainingMemoryOf(learned, spec, SmallFacts(), plan, 0).graphs,
            (2 * 2 + 1) * (kGraph + kLayerWeights));
  EXPECT_EQ(TrainingMemoryOf(learned, spec, SmallFacts(), plan, 1).graphs,
            (2 + 1) * (kGraph + kLayerWeights));
}

TEST(StageMemoryTest, VariablesFollowTheMethodAndTheScope) {
  JobSpec spec = Spec();
  const auto variables = [&] {
    return TrainingMemoryOf(Learned(spec), spec, SmallFacts(), TwoStages(), 0).variables;
  };
  constexpr int64_t kWeights = int64_t{2} * 2 * 48 * 16;
  constexpr int64_t kPointers = kWeights / 8 * 2;
  Learned(spec).parameters = CodebookSettings{.codes = 10, .scope = CodebookScope::kLayer};
  EXPECT_EQ(variables(), kPointers + int64_t{2} * 10 * 8 * 32);
  Learned(spec).parameters = CodebookSettings{.codes = 10, .scope = CodebookScope::kModel};
  EXPECT_EQ(variables(), kPointers + int64_t{10} * 8 * 32);
  // 96 blocks a linear, and a codebook of at most an eighth of their weights.
  Learned(spec).parameters = CodebookSettings{.codes = 4096, .clustering = Clustering::kL2};
  EXPECT_EQ(variables(), kPointers + int64_t{4} * 12 * 8 * 32);
  // A row for each pattern of signs, but no more than blocks.
  Learned(spec).parameters = CodebookSettings{.codes = 4096};
  EXPECT_EQ(variables(), kPointers + int64_t{4} * 96 * 8 * 32);
  Learned(spec).parameters = DenseSettings{};
  EXPECT_EQ(variables(), kWeights * 20);
  Learned(spec).parameters = LowRankSettings{5};
  EXPECT_EQ(variables(), kWeights * 8 + int64_t{4} * 5 * (48 + 16) * 16);
}

TEST(StageMemoryTest, OverridesCount) {
  JobSpec spec = Spec();
  spec.method = RtnSettings{};
  const auto memory = [&] { return StageMemory(spec, SmallFacts(), TwoStages(), 0); };
  const int64_t plain = memory();
  spec.overrides = {{.pattern = "layers.0.up", .skip = true}};
  EXPECT_EQ(memory(), plain);  // layer by layer, and the other one is as it was
  spec.overrides = {{.pattern = "*.up", .skip = true}};
  EXPECT_EQ(memory(), plain - (48 * 16 + 48 * 8));
  spec.overrides = {{.pattern = "layers.1.down", .group_size = 8}};
  EXPECT_EQ(memory(), plain + int64_t{16} * (6 - 3) * 8);
}

TEST(StageMemoryTest, SkippedLayersTrainNothing) {
  JobSpec spec = Spec();
  const auto training = [&] {
    return TrainingMemoryOf(Learned(spec), spec, SmallFacts(), TwoStages(), 0);
  };
  const TrainingMemory plain = training();
  spec.overrides = {{.pattern = "layers.0.up", .skip = true}};
  const TrainingMemory skipping = training();
  constexpr int64_t kSkipped = int64_t{48} * 16;
  EXPECT_EQ(skipping.base, plain.base - kSkipped);
  EXPECT_EQ(skipping.start, plain.start - kSkipped - int64_t{48} * 8);
  EXPECT_EQ(skipping.variables, plain.variables - kSkipped / 8 * 2 - int64_t{10} * 8 * 32);
  EXPECT_EQ(skipping.other, plain.other + kSkipped * 2);
}

TEST(StageMemoryTest, TakesThePeakOfAllPhases) {
  JobSpec spec = Spec();
  Learned(spec).init = RoundingInit::kRtn;
  Plan plan = TwoStages();
  plan.keep_graphs = true;
  EXPECT_EQ(StageMemory(spec, SmallFacts(), plan, 1),
            TrainingMemoryOf(Learned(spec), spec, SmallFacts(), plan, 1).Total());
  spec.evaluation = {{{"long", "/w"}}, 4096, 0, true};
  EXPECT_GT(StageMemory(spec, SmallFacts(), plan, 1),
            int64_t{4} * 4096 * (6 * 16 + 3 * 48));  // a window's activations
}

}  // namespace
}  // namespace rondo
