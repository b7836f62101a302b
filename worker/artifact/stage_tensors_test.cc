#include "worker/artifact/stage_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kTinyModel[] = "tests/data/models/llama-tiny";

class StageTensorsTest : public testing::Test {
 protected:
  std::map<std::string, TensorInfo> Tensors(const ExportPlan& plan) const {
    std::map<std::string, TensorInfo> tensors;
    const auto listed = StageTensors(checkpoint_, layout_, plan).value();
    for (const TensorInfo& tensor : listed) {
      tensors[tensor.name] = tensor;
    }
    return tensors;
  }

  Checkpoint checkpoint_ = Checkpoint::Open(kTinyModel).value();
  ModelConfig config_ = ReadModelConfig(kTinyModel).value();
  ModelLayout layout_ = LayoutOf(config_).value();
};

TEST(ShardName, CountsFromOne) {
  EXPECT_EQ(ShardName(0, 1), "model.safetensors");
  EXPECT_EQ(ShardName(0, 3), "model-00001-of-00003.safetensors");
  EXPECT_EQ(ShardName(2, 3), "model-00003-of-00003.safetensors");
}

TEST_F(StageTensorsTest, DenseHoldsWhatTheCheckpointHolds) {
  ExportPlan plan;
  plan.end_layer = 4;
  const auto tensors = Tensors(plan);
  EXPECT_EQ(tensors.size(), checkpoint_.names().size());
  for (const std::string& name : checkpoint_.names()) {
    ASSERT_TRUE(tensors.contains(name)) << name;
    EXPECT_EQ(tensors.at(name).shape, checkpoint_.Find(name)->info.shape);
    EXPECT_EQ(tensors.at(name).type, StorageType::kF16);
  }
}

TEST_F(StageTensorsTest, StagesShareTheModelOut) {
  ExportPlan first;
  first.stages = 3;
  first.end_layer = 1;
  ExportPlan middle = first;
  middle.stage = 1;
  middle.first_layer = 1;
  middle.end_layer = 3;
  ExportPlan last = first;
  last.stage = 2;
  last.first_layer = 3;
  last.end_layer = 4;
  EXPECT_TRUE(Tensors(first).contains("model.embed_tokens.weight"));
  EXPECT_FALSE(Tensors(first).contains("model.norm.weight"));
  EXPECT_THAT(CopiedBesidesLayers(layout_, middle), IsEmpty());
  EXPECT_THAT(CopiedBesidesLayers(layout_, last),
              ElementsAre("model.norm.weight", "lm_head.weight"));
  std::map<std::string, TensorInfo> all;
  for (const ExportPlan& plan : {first, middle, last}) {
    for (const auto& tensor : Tensors(plan)) EXPECT_TRUE(all.insert(tensor).second);
  }
  EXPECT_EQ(all.size(), checkpoint_.names().size());
}

TEST_F(StageTensorsTest, TiedHeadIsNotWritten) {
  config_.tie_word_embeddings = true;
  layout_ = LayoutOf(config_).value();
  ExportPlan plan;
  plan.end_layer = 4;
  EXPECT_FALSE(Tensors(plan).contains("lm_head.weight"));
  EXPECT_TRUE(Tensors(plan).contains("model.embed_tokens.weight"));
}

TEST_F(StageTensorsTest, PackedShapes) {
  ExportPlan plan;
  plan.format = ExportFormat::kCompressedTensors;
  plan.end_layer = 4;
  plan.grid = {.bits = 3, .group_size = 32, .symmetric = false};
  const auto tensors = Tensors(plan);
  const std::string down = "model.layers.3.mlp.down_proj";  // [128, 352]
  EXPECT_FALSE(tensors.contains(down + ".weight"));
  EXPECT_THAT(tensors.at(down + ".weight_packed").shape, ElementsAre(128, 33));
  EXPECT_EQ(tensors.at(down + ".weight_packed").type, StorageType::kI32);
  EXPECT_THAT(tensors.at(down + ".weight_scale").shape, ElementsAre(128, 11));
  EXPECT_EQ(tensors.at(down + ".weight_scale").type, StorageType::kF16);
  EXPECT_THAT(tensors.at(down + ".weight_zero_point").shape, ElementsAre(12, 11));
  EXPECT_EQ(tensors.at(down + ".weight_zero_point").type, StorageType::kI32);
  EXPECT_THAT(tensors.at(down + ".weight_shape").shape, ElementsAre(2));
  EXPECT_EQ(tensors.at(down + ".weight_shape").type, StorageType::kI64);

  plan.grid = {.bits = 2, .group_size = -1, .symmetric = true};
  EXPECT_THAT(Tensors(plan).at(down + ".weight_packed").shape, ElementsAre(128, 22));
  EXPECT_THAT(Tensors(plan).at(down + ".weight_scale").shape, ElementsAre(128, 1));
  EXPECT_FALSE(Tensors(plan).contains(down + ".weight_zero_point"));
}

TEST_F(StageTensorsTest, OverridesHaveTheirOwnShapes) {
  ExportPlan plan;
  plan.format = ExportFormat::kCompressedTensors;
  plan.end_layer = 4;
  plan.grid = {.bits = 4, .group_size = 32, .symmetric = true};
  plan.overrides = {{.pattern = "*.down_proj", .bits = 8, .group_size = 176},
                    {.pattern = "model.layers.0.*", .skip = true}};
  const auto tensors = Tensors(plan);
  EXPECT_THAT(tensors.at("model.layers.1.mlp.down_proj.weight_packed").shape, ElementsAre(128, 88));
  EXPECT_THAT(tensors.at("model.layers.1.mlp.down_proj.weight_scale").shape, ElementsAre(128, 2));
  EXPECT_THAT(tensors.at("model.layers.1.mlp.up_proj.weight_packed").shape, ElementsAre(352, 16));
  const std::string skipped = "model.layers.0.mlp.down_proj.weight";
  EXPECT_THAT(tensors.at(skipped).shape, ElementsAre(128, 352));
  EXPECT_EQ(tensors.at(skipped).type, StorageType::kF16);
  EXPECT_FALSE(tensors.contains(skipped + "_packed"));
}

TEST_F(StageTensorsTest, LargerElementsComeFirst) {
  ExportPlan plan;
  plan.format = ExportFormat::kCompressedTensors;
  plan.end_layer = 4;
  int64_t previous = 8;
  const auto tensors = StageTensors(checkpoint_, layout_, plan).value();
  for (const TensorInfo& tensor : tensors) {
    EXPECT_LE(BytesOf(tensor.type), previous);
    previous = BytesOf(tensor.type);
  }
  EXPECT_EQ(previous, 2);
}

TEST_F(StageTensorsTest, MissingTensor) {
  ExportPlan plan;
  plan.first_layer = 3;
  plan.end_layer = 5;
  EXPECT_EQ(
      StageTensors(checkpoint_, layout_, plan).status(),
      absl::NotFoundError("the checkpoint holds no tensor model.layers.4.input_layernorm.weight"));
}

}  // namespace
}  // namespace rondo
