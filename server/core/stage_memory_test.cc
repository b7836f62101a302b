#include "server/core/stage_memory.h"

#include <gtest/gtest.h>

#include "server/core/planner.h"

namespace rondo {
namespace {

constexpr int64_t kSeqLen = 32;

// Two linears a layer: 48 x 16 and 16 x 48, one norm of 16; 100 tokens; the head is tied.
ModelFacts SmallFacts() {
  ModelFacts facts;
  facts.config.num_layers = 4;
  facts.config.hidden_size = 16;
  facts.config.intermediate_size = 48;
  facts.config.num_heads = 2;
  facts.config.vocab_size = 100;
  facts.config.tie_word_embeddings = true;
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
  constexpr int64_t kWeights = int64_t{2} * 2 * 48 * 16;  // two layers
  EXPECT_EQ(first.base, kWeights);
  EXPECT_EQ(first.variables,
            kWeights / 8 * 2 + int64_t{4} * 10 * 8 * 28);  // four codebooks of 10 rows
  EXPECT_EQ(first.grids, int64_t{2} * (48 + 16 * 3) * 8);
  EXPECT_EQ(first.other, int64_t{2 * 16 + 100 * 16} * 4);
  EXPECT_EQ(first.saved_inputs, int64_t{2} * 2 * kSeqLen * 16 * 4);  // two windows are under way
  EXPECT_EQ(first.layer_graph,
            4 * (kSeqLen * int64_t{12 * 16 + 8 * 48} + int64_t{2} * 2 * kSeqLen * kSeqLen));
  EXPECT_EQ(first.weights, int64_t{2} * 2 * 48 * 16 * 2);
  EXPECT_EQ(first.divergence, 0);
  EXPECT_EQ(first.Total(), first.base + first.variables + first.grids + first.other +
                               first.saved_inputs + first.layer_graph + first.weights);

  const TrainingMemory last = TrainingMemoryOf(learned, spec, SmallFacts(), TwoStages(), 1);
  EXPECT_EQ(last.other,
            int64_t{2} * 16 * 4 + int64_t{16 + 100 * 16} * (4 + 2));  // the tied head, twice
  EXPECT_EQ(last.saved_inputs, int64_t{2} * kSeqLen * 16 * 4);
  EXPECT_EQ(last.divergence, int64_t{3} * 256 * 100 * 4);
}

TEST(StageMemoryTest, VariablesFollowTheMethodAndTheScope) {
  JobSpec spec = Spec();
  const auto variables = [&] {
    return TrainingMemoryOf(Learned(spec), spec, SmallFacts(), TwoStages(), 0).variables;
  };
  constexpr int64_t kWeights = int64_t{2} * 2 * 48 * 16;
  constexpr int64_t kPointers = kWeights / 8 * 2;
  Learned(spec).parameters = CodebookSettings{.codes = 10, .scope = CodebookScope::kLayer};
  EXPECT_EQ(variables(), kPointers + int64_t{2} * 10 * 8 * 28);
  Learned(spec).parameters = CodebookSettings{.codes = 10, .scope = CodebookScope::kModel};
  EXPECT_EQ(variables(), kPointers + int64_t{10} * 8 * 28);
  // 96 blocks a linear, and a codebook of at most an eighth of their weights.
  Learned(spec).parameters = CodebookSettings{.codes = 4096, .clustering = Clustering::kL2};
  EXPECT_EQ(variables(), kPointers + int64_t{4} * 12 * 8 * 28);
  // A row for each pattern of signs, but no more than blocks.
  Learned(spec).parameters = CodebookSettings{.codes = 4096};
  EXPECT_EQ(variables(), kPointers + int64_t{4} * 96 * 8 * 28);
  Learned(spec).parameters = DenseSettings{};
  EXPECT_EQ(variables(), kWeights * 20);
  Learned(spec).parameters = LowRankSettings{5};
  EXPECT_EQ(variables(), kWeights * 8 + int64_t{4} * 5 * (48 + 16) * 16);
}

TEST(StageMemoryTest, TakesThePeakOfAllPhases) {
  JobSpec spec = Spec();
  Learned(spec).init = RoundingInit::kRtn;
  const Plan plan = TwoStages();
  EXPECT_EQ(StageMemory(spec, SmallFacts(), plan, 1),
            TrainingMemoryOf(Learned(spec), spec, SmallFacts(), plan, 1).Total());
  spec.evaluation = {{{"long", "/w"}}, 4096, 0, true};
  EXPECT_GT(StageMemory(spec, SmallFacts(), plan, 1), 4 * 4096 * 4096 * 2);
}

}  // namespace
}  // namespace rondo
