#include "worker/model/rotary.h"

#include <cmath>

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rondo {
namespace {

TEST(RotaryTest, FrequenciesFallGeometrically) {
  const at::Tensor f = RotaryFrequencies(8, 10000.0, {});
  const at::Tensor want = at::tensor({1.0f, 0.1f, 0.01f, 0.001f});
  EXPECT_TRUE(at::allclose(f, want, 1e-6, 0));
}

// The values that transformers 5 computes for Llama 3.1 8B (head_dim 128, theta 500000).
TEST(RotaryTest, Llama3ScalingEqualsTransformers) {
  const at::Tensor f = RotaryFrequencies(128, 500000.0, Llama3RopeScaling{});
  const std::vector<int64_t> index = {0, 10, 28, 29, 30, 31, 32, 34, 35, 36, 48, 63};
  const at::Tensor want = at::tensor(
      std::vector<float>{1.0f, 0.128687382f, 0.00321144611f, 0.00216657063f, 0.00137189368f,
                         0.00085675146f, 0.000524846022f, 0.000178507791f, 9.55621217e-05f,
                         7.78465546e-05f, 6.64786967e-06f, 3.06892588e-07f});
  EXPECT_TRUE(at::allclose(f.index_select(0, at::tensor(index)), want, 1e-5, 0)) << f;
}

TEST(RotaryTest, TurnsPairsOfTheTwoHalves) {
  ModelConfig config;
  config.head_dim = 4;
  Rotary rotary(config, at::kFloat, at::kCPU);
  const at::Tensor x = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).repeat({1, 3, 2});  // two equal heads
  const at::Tensor y = rotary.Apply(x, 1);
  ASSERT_EQ(y.sizes(), (std::vector<int64_t>{1, 2, 3, 1, 4}));
  EXPECT_TRUE(at::equal(rotary.Apply(x, 2), y.transpose(1, 3)));
  for (int position = 0; position < 3; ++position) {
    const double a = position, b = 0.01 * position;
    const at::Tensor want = at::tensor(
        std::vector<double>{std::cos(a) - 3 * std::sin(a), 2 * std::cos(b) - 4 * std::sin(b),
                            3 * std::cos(a) + std::sin(a), 4 * std::cos(b) + 2 * std::sin(b)});
    for (int head : {0, 1}) {
      EXPECT_TRUE(at::allclose(y[0][head][position][0].to(at::kDouble), want, 1e-5, 1e-6));
    }
  }
}

TEST(RotaryTest, FollowsAChangeOfLength) {
  ModelConfig config;
  config.head_dim = 4;
  Rotary rotary(config, at::kFloat, at::kCPU);
  const at::Tensor x = at::arange(40, at::kFloat).view({1, 10, 4});
  const at::Tensor longer = rotary.Apply(x, 1).clone();
  const at::Tensor shorter = rotary.Apply(x.narrow(1, 0, 6), 1);
  EXPECT_TRUE(at::equal(shorter, longer.narrow(2, 0, 6)));
}

}  // namespace
}  // namespace rondo
