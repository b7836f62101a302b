#include "server/core/disk_bytes.h"

#include <gtest/gtest.h>

namespace rondo {
namespace {

// Two layers of one linear of 6 x 40 in float16, 100 bytes of other tensors.
ModelFacts SmallFacts() {
  ModelFacts facts;
  facts.config.num_layers = 2;
  facts.config.hidden_size = 40;
  facts.layout.layer_prefix = "layers.";
  facts.layout.linears = {{"proj", 6, 40, false, 0}};
  facts.bytes_per_weight = 2;
  facts.other_tensor_bytes = 100;
  return facts;
}

JobSpec OnGrid(const GridSpec& grid) {
  JobSpec spec;
  spec.grid = grid;
  return spec;
}

TEST(DiskBytesTest, ExportBytesAreThoseOfTheTensors) {
  const ModelFacts facts = SmallFacts();
  const auto packed = [&](const JobSpec& spec) {
    return ExportBytes(facts, spec, ExportFormat::kCompressedTensors);
  };
  EXPECT_EQ(ExportBytes(facts, OnGrid({4, -1, true}), ExportFormat::kDense), 100 + 2 * 6 * 40 * 2);
  // Rows of 40 codes of 3 bits: 120 bits in 4 words; one scale a row; the shape.
  EXPECT_EQ(packed(OnGrid({3, -1, true})), 100 + 2 * (6 * 4 * 4 + 6 * 2 + 16));
  // Rows of 40 codes of 4 bits: 5 words; five groups; six zero points in one word a group.
  const int64_t grouped = 6 * 5 * 4 + 6 * 5 * 2 + 16 + 1 * 4 * 5;
  EXPECT_EQ(packed(OnGrid({4, 8, false})), 100 + 2 * grouped);
  JobSpec mixed = OnGrid({4, 8, false});
  mixed.overrides = {{.pattern = "layers.1.proj", .skip = true}};
  EXPECT_EQ(packed(mixed), 100 + grouped + int64_t{6} * 40 * 2);
  // Rows of 40 codes of 8 bits: 10 words; six zero points in two words.
  mixed.overrides[0] = {.pattern = "*", .bits = 8, .group_size = -1};
  EXPECT_EQ(packed(mixed), 100 + 2 * (6 * 10 * 4 + 6 * 2 + 16 + 2 * 4));
}

TEST(DiskBytesTest, GptqKeepsAByteAWeightAndItsGrid) {
  const ModelFacts facts = SmallFacts();
  JobSpec spec = OnGrid({4, 8, false});
  const int64_t layer = 6 * 40 + 6 * 5 * 2 * 4;
  EXPECT_EQ(ScratchBytes(facts, spec), 2 * layer);
  spec.overrides = {{.pattern = "layers.1.proj", .skip = true}};
  EXPECT_EQ(ScratchBytes(facts, spec), layer);
  EXPECT_EQ(QuantizedWeights(facts, spec), 6 * 40);
  spec.method = RtnSettings();
  EXPECT_EQ(ScratchBytes(facts, spec), 0);
}

TEST(DiskBytesTest, TrainingKeepsTwoStepsOfItsVariables) {
  const ModelFacts facts = SmallFacts();
  JobSpec spec = OnGrid({4, -1, false});
  LearnedRoundingSettings learned;
  learned.init = RoundingInit::kRtn;
  learned.parameters = DenseSettings();
  spec.method = learned;
  const int64_t variables = int64_t{2} * 6 * 40;
  EXPECT_EQ(ScratchBytes(facts, spec), 2 * variables * 3 * 4);
  learned.init = RoundingInit::kGptq;
  learned.start = RoundingStart::kFractional;
  spec.method = learned;
  EXPECT_EQ(ScratchBytes(facts, spec),
            2 * variables * 3 * 4 + variables * (1 + 4 + 4) + int64_t{2} * 6 * 2 * 4);
  learned.training.checkpoint_every = 0;
  spec.method = learned;
  EXPECT_EQ(ScratchBytes(facts, spec), 0);
}

}  // namespace
}  // namespace rondo
