#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"
#include "common/format/safetensors_writer.h"

namespace rondo {
namespace {

constexpr char kModel[] = "tests/data/models/llama-tiny";

class CheckLayoutTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_layout_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    config_ = ReadModelConfig(kModel).value();
    layout_ = LayoutOf(config_).value();
    const Checkpoint source = Checkpoint::Open(kModel).value();
    for (const std::string& name : source.names()) {
      tensors_.push_back(source.Find(name)->info);
    }
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  TensorInfo& Tensor(const std::string& name) {
    return *std::find_if(tensors_.begin(), tensors_.end(),
                         [&](const TensorInfo& tensor) { return tensor.name == name; });
  }
  // The verdict on a checkpoint that has tensors_, all zero.
  absl::Status Check() {
    const std::string path = JoinPath(dir_, "m.safetensors");
    auto writer = SafetensorsWriter::Create(path, tensors_, {}).value();
    for (const TensorInfo& tensor : tensors_) {
      const std::vector<std::byte> zeros(tensor.bytes());
      EXPECT_TRUE(writer->Write(tensor.name, zeros).ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    const Checkpoint checkpoint = Checkpoint::OpenFile(path).value();
    return CheckLayout(checkpoint, config_, layout_);
  }

  std::string dir_;
  ModelConfig config_;
  ModelLayout layout_;
  std::vector<TensorInfo> tensors_;
};

TEST_F(CheckLayoutTest, AcceptsTheModel) {
  const Checkpoint checkpoint = Checkpoint::Open(kModel).value();
  EXPECT_TRUE(CheckLayout(checkpoint, config_, layout_).ok());
  EXPECT_EQ(WeightType(checkpoint, layout_), StorageType::kF16);
  EXPECT_TRUE(Check().ok());
}

TEST_F(CheckLayoutTest, MissingTensor) {
  Tensor("model.layers.2.mlp.up_proj.weight").name = "other";
  EXPECT_EQ(Check(), absl::InvalidArgumentError(
                         "the checkpoint holds no tensor model.layers.2.mlp.up_proj.weight, which "
                         "config.json asks for"));
}

TEST_F(CheckLayoutTest, TiedModelNeedsNoHead) {
  Tensor("lm_head.weight").name = "other";
  EXPECT_EQ(Check().code(), absl::StatusCode::kInvalidArgument);
  config_.tie_word_embeddings = true;
  layout_ = LayoutOf(config_).value();
  EXPECT_TRUE(Check().ok());
}

TEST_F(CheckLayoutTest, WrongShape) {
  Tensor("model.layers.3.self_attn.k_proj.weight").shape = {128, 64};
  EXPECT_EQ(Check(), absl::InvalidArgumentError(
                         "tensor model.layers.3.self_attn.k_proj.weight has shape [128, 64], "
                         "config.json asks for [64, 128]"));
}

TEST_F(CheckLayoutTest, WrongType) {
  Tensor("model.norm.weight").type = StorageType::kF64;
  EXPECT_EQ(Check(), absl::InvalidArgumentError("tensor model.norm.weight has dtype F64, "
                                                "supported: F16, BF16, F32"));
}

TEST_F(CheckLayoutTest, LinearsOfTwoTypes) {
  Tensor("model.layers.0.self_attn.o_proj.weight").type = StorageType::kBF16;
  EXPECT_EQ(Check(), absl::InvalidArgumentError(
                         "tensor model.layers.0.self_attn.o_proj.weight has dtype BF16, but "
                         "model.layers.0.self_attn.q_proj.weight has F16; the linear layers must "
                         "share one"));
}

TEST_F(CheckLayoutTest, NormsMayHaveAnotherType) {
  Tensor("model.layers.1.input_layernorm.weight").type = StorageType::kF32;
  EXPECT_TRUE(Check().ok());
}

}  // namespace
}  // namespace rondo
