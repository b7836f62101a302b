#include "worker/train/parameters.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

TEST(AdamTest, TwoStepsByHand) {
  Parameter p(at::tensor({1.0F, -2.0F}));
  const double g[2][2] = {{0.5, -1.0}, {0.1, 3.0}};
  double value[2] = {1, -2}, mean[2] = {0, 0}, variance[2] = {0, 0};
  for (int step = 1; step <= 2; ++step) {
    p.gradient.copy_(at::tensor({g[step - 1][0], g[step - 1][1]}));
    AdamStep(step, 0.01, &p);
    for (int i = 0; i < 2; ++i) {
      mean[i] = 0.9 * mean[i] + 0.1 * g[step - 1][i];
      variance[i] = 0.99 * variance[i] + 0.01 * g[step - 1][i] * g[step - 1][i];
      value[i] -= 0.01 * (mean[i] / (1 - std::pow(0.9, step))) /
                  (std::sqrt(variance[i] / (1 - std::pow(0.99, step))) + 1e-8);
      EXPECT_NEAR(p.value[i].item<double>(), value[i], 1e-6);
      EXPECT_EQ(p.gradient[i].item<double>(), 0);
    }
  }
}

TEST(ScheduleTest, LearningRates) {
  TrainingSettings s;
  s.steps = 100;
  s.learning_rate = 1;
  s.warmup = 0.1;
  s.schedule = LearningRateSchedule::kConstant;
  EXPECT_DOUBLE_EQ(LearningRateAt(s, 0), 0.1);
  EXPECT_DOUBLE_EQ(LearningRateAt(s, 9), 1);
  EXPECT_DOUBLE_EQ(LearningRateAt(s, 99), 1);
  s.schedule = LearningRateSchedule::kLinear;
  EXPECT_DOUBLE_EQ(LearningRateAt(s, 55), 0.5);
  s.schedule = LearningRateSchedule::kCosine;
  EXPECT_DOUBLE_EQ(LearningRateAt(s, 10), 1);
  EXPECT_NEAR(LearningRateAt(s, 55), 0.5, 1e-12);
}

// The paper's code: beta jumps from 20 to 18.2 after the hold; the regulariser acts from then on.
TEST(ScheduleTest, BetaAndRegulariser) {
  TrainingSettings s;
  s.steps = 5000;
  s.forward = RoundingForward::kSoft;
  EXPECT_DOUBLE_EQ(BetaAt(s, 500), 20);
  EXPECT_NEAR(BetaAt(s, 501), 20 - 18 * 501.0 / 5000, 1e-12);
  EXPECT_DOUBLE_EQ(RoundWeightAt(s, 499), 0);
  EXPECT_DOUBLE_EQ(RoundWeightAt(s, 500), 0.01);
  s.forward = RoundingForward::kSoftThenStraightThrough;
  EXPECT_FALSE(IsHardForward(s, 2499));
  EXPECT_TRUE(IsHardForward(s, 2500));
  EXPECT_DOUBLE_EQ(RoundWeightAt(s, 2500), 0);
  s.forward = RoundingForward::kStraightThrough;
  EXPECT_TRUE(IsHardForward(s, 0));
}

}  // namespace
}  // namespace rondo
