#include "worker/model/weights.h"

#include <limits>

#include <ATen/ATen.h>

#include "common/format/safetensors_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

constexpr char kName[] = "model.layers.3.mlp.up_proj.weight";

template <typename T>
Checkpoint OneTensor(StorageType type, const std::vector<T>& values) {
  const std::string path = ::testing::TempDir() + "/one.safetensors";
  const TensorInfo info{kName, type, {static_cast<int64_t>(values.size())}};
  auto writer = SafetensorsWriter::Create(path, {info}, {});
  EXPECT_TRUE(writer.ok()) << writer.status();
  EXPECT_TRUE((*writer)->Write(kName, std::as_bytes(std::span(values))).ok());
  EXPECT_TRUE((*writer)->Finish().ok());
  auto checkpoint = Checkpoint::OpenFile(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return *std::move(checkpoint);
}

TEST(WeightsTest, ConvertsToTheDtypeAskedFor) {
  const Checkpoint checkpoint =
      OneTensor<c10::Half>(StorageType::kF16, {c10::Half(1.5f), c10::Half(-2.0f)});
  const auto t = LoadTensor(checkpoint, kName, at::kFloat, at::kCPU);
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_TRUE(at::equal(*t, at::tensor({1.5f, -2.0f})));
}

TEST(WeightsTest, NaNAndInfAreRefusedByName) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    const Checkpoint checkpoint = OneTensor<float>(StorageType::kF32, {0.0f, bad, 1.0f});
    const auto t = LoadTensor(checkpoint, kName, at::kFloat, at::kCPU);
    EXPECT_EQ(t.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(t.status().message(), "model.layers.3.mlp.up_proj.weight holds NaN or Inf");
  }
}

TEST(WeightsTest, ValuesTooLargeForTheDtypeAreRefused) {
  const Checkpoint checkpoint = OneTensor<float>(StorageType::kF32, {1.0f, 1e6f});
  EXPECT_TRUE(LoadTensor(checkpoint, kName, at::kFloat, at::kCPU).ok());
  const auto t = LoadTensor(checkpoint, kName, at::kHalf, at::kCPU);
  EXPECT_EQ(t.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(t.status().message()), HasSubstr("NaN or Inf as Half"));
}

TEST(WeightsTest, IntegersAreRefused) {
  const Checkpoint checkpoint = OneTensor<int32_t>(StorageType::kI32, {1, 2});
  const auto t = LoadTensor(checkpoint, kName, at::kFloat, at::kCPU);
  EXPECT_EQ(t.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(t.status().message()), HasSubstr("I32"));
}

TEST(WeightsTest, AMissingTensorIsNamed) {
  const Checkpoint checkpoint = OneTensor<float>(StorageType::kF32, {1.0f});
  const auto t = LoadTensor(checkpoint, "lm_head.weight", at::kFloat, at::kCPU);
  EXPECT_EQ(t.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(t.status().message()), HasSubstr("lm_head.weight"));
}

}  // namespace
}  // namespace rondo
