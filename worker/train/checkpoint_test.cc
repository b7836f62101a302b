#include "worker/train/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrainCheckpointTest : public ::testing::Test {
 protected:
  TrainCheckpointTest() {
    std::string pattern = ::testing::TempDir() + "/rondo_train_XXXXXX";
    dir_ = JoinPath(mkdtemp(pattern.data()), "checkpoint");
  }
  void TearDown() override {
    std::filesystem::remove_all(std::filesystem::path(dir_).parent_path());
  }

  static NamedTensors Tensors() {
    at::Tensor value = at::randn({3, 5});
    value[1][2] = std::numeric_limits<float>::quiet_NaN();
    return {{"base", at::randint(0, 255, {7, 3}, at::kByte)},  // 21 bytes: odd on purpose
            {"codes", at::randint(-32768, 32767, {21}, at::kShort)},
            {"ids", at::arange(4, at::kInt)},
            {"none", at::empty({0, 8})},
            {"value", value.t()}};  // not contiguous
  }
  absl::Status Save(int64_t layer, int64_t step) const {
    return SaveLayer(dir_, layer, step, "run", {{"value", at::full({8}, 0.5 * layer + step)}});
  }
  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }

  std::string dir_;
};

TEST_F(TrainCheckpointTest, RoundTrip) {
  const NamedTensors saved = Tensors();
  ASSERT_TRUE(SaveLayer(dir_, 12, 300, "run", saved).ok());
  EXPECT_THAT(ListFiles(dir_).value(), ElementsAre("layer-00012-step-000300.safetensors"));
  const auto loaded = LoadLayer(dir_, 12, 300, "run");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->size(), saved.size());
  for (const auto& [name, tensor] : saved) {
    const at::Tensor& got = loaded->at(name);
    EXPECT_EQ(got.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(got.sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(at::allclose(got, tensor, 0, 0, /*equal_nan=*/true)) << name;
  }
}

TEST_F(TrainCheckpointTest, SavingAgainReplaces) {
  ASSERT_TRUE(SaveLayer(dir_, 0, 1, "run", {{"value", at::zeros({8})}}).ok());
  ASSERT_TRUE(Save(0, 1).ok());
  EXPECT_EQ(LoadLayer(dir_, 0, 1, "run")->at("value")[0].item<float>(), 1.0f);
  EXPECT_EQ(ListFiles(dir_)->size(), 1u);
}

TEST_F(TrainCheckpointTest, NoFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(LoadLayer(dir_, 0, 1, "run").status()));
  ASSERT_TRUE(Save(0, 1).ok());
  EXPECT_TRUE(absl::IsNotFound(LoadLayer(dir_, 0, 2, "run").status()));
}

TEST_F(TrainCheckpointTest, EveryChangedByteIsFound) {
  const std::string name = "layer-00000-step-000001.safetensors";
  ASSERT_TRUE(Save(0, 1).ok());
  const std::string whole = ReadFile(Path(name)).value();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    std::ofstream(Path(name), std::ios::binary) << changed;
    const auto loaded = LoadLayer(dir_, 0, 1, "run");
    EXPECT_TRUE(absl::IsDataLoss(loaded.status())) << i << ": " << loaded.status();
    EXPECT_FALSE(FileExists(Path(name)));
    EXPECT_TRUE(FileExists(Path(name + ".corrupt")));
  }
  ASSERT_TRUE(WriteFileAtomically(Path(name), whole).ok());
  EXPECT_TRUE(LoadLayer(dir_, 0, 1, "run").ok());
}

TEST_F(TrainCheckpointTest, AShortFileIsSetAside) {
  ASSERT_TRUE(Save(3, 20).ok());
  const std::string path = Path("layer-00003-step-000020.safetensors");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const absl::Status status = LoadLayer(dir_, 3, 20, "run").status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("is truncated: tensor value needs bytes up to"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("set aside as " + path + ".corrupt"));
}

TEST_F(TrainCheckpointTest, AnotherRunsFileIsSetAside) {
  ASSERT_TRUE(Save(0, 1).ok());
  const absl::Status status = LoadLayer(dir_, 0, 1, "other").status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("is of run \"run\", not of \"other\""));
}

TEST_F(TrainCheckpointTest, TheLatestStepIsThatOfAllLayers) {
  EXPECT_EQ(LatestStep(dir_, 2).value(), -1);
  for (int64_t layer : {0, 1}) ASSERT_TRUE(Save(layer, 0).ok());
  EXPECT_EQ(LatestStep(dir_, 2).value(), 0);
  for (int64_t layer : {0, 1}) ASSERT_TRUE(Save(layer, 100).ok());
  ASSERT_TRUE(Save(1, 1000000).ok());
  ASSERT_TRUE(Save(2, 1000000).ok());  // no layer of this model
  EXPECT_EQ(LatestStep(dir_, 2).value(), 100);
  EXPECT_EQ(LatestStep(dir_, 4).value(), -1);
  for (const char* other :
       {"layer-00000-step-1000000.safetensors.corrupt",
        "layer-00000-step-1000000.safetensors.0123abcd.partial", "layer-0-step-1000000.safetensors",
        "layer-00000-step--00001.safetensors", "notes.txt"}) {
    ASSERT_TRUE(WriteFileAtomically(Path(other), "x").ok());
  }
  EXPECT_EQ(LatestStep(dir_, 2).value(), 100);
  ASSERT_TRUE(Save(0, 1000000).ok());
  EXPECT_EQ(LatestStep(dir_, 2).value(), 1000000);
}

TEST_F(TrainCheckpointTest, OlderStepsAreRemovedButTheStart) {
  for (int64_t layer : {0, 1, 2}) {
    for (int64_t step : {0, 10, 20, 30}) ASSERT_TRUE(Save(layer, step).ok());
  }
  ASSERT_TRUE(RemoveOlderSteps(dir_, 1, 3, 30).ok());
  EXPECT_THAT(
      ListFiles(dir_).value(),
      ElementsAre("layer-00000-step-000000.safetensors", "layer-00000-step-000010.safetensors",
                  "layer-00000-step-000020.safetensors", "layer-00000-step-000030.safetensors",
                  "layer-00001-step-000000.safetensors", "layer-00001-step-000030.safetensors",
                  "layer-00002-step-000000.safetensors", "layer-00002-step-000030.safetensors"));
}

TEST_F(TrainCheckpointTest, WhatCannotBeStoredIsRefused) {
  EXPECT_EQ(SaveLayer(dir_, 0, 1, "run", {{"push", at::Tensor()}}),
            absl::InvalidArgumentError("tensor push is undefined"));
  const absl::Status status =
      SaveLayer(dir_, 0, 1, "run", {{"z", at::zeros({2}, at::kComplexFloat)}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor z has dtype ComplexFloat"));
  EXPECT_EQ(LatestStep(dir_, 1).value(), -1);
}

}  // namespace
}  // namespace rondo
