#include "worker/algo/rounding_start.h"

#include <limits>

#include <ATen/ATen.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/api/codebook.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

at::Tensor Spread(const at::Tensor& groups, const Grid& grid, int64_t in) {
  return groups.repeat_interleave(grid.group_size, 1).narrow(1, 0, in);
}

// Codes out of base and a rounding r.
at::Tensor Codes(const RoundingVariables& v, const at::Tensor& r) {
  const int maxq = (1 << v.grid.bits) - 1;
  return (v.base.to(at::kFloat) - kernels::BaseOffset(maxq) + r).clamp(0, maxq);
}

at::Tensor HardCodes(const RoundingVariables& v) {
  return Codes(v, v.alpha.ge(0).to(at::kFloat)).to(at::kByte);
}

at::Tensor SoftWeight(const RoundingVariables& v) {
  const int64_t in = v.alpha.size(1);
  return (Codes(v, RectifiedSigmoid(v.alpha)) - Spread(v.grid.zero_point, v.grid, in)) *
         Spread(v.grid.scale, v.grid, in);
}

// w, or the end of the grid that it lies beyond.
at::Tensor Inside(const at::Tensor& w, const Grid& grid) {
  const at::Tensor scale = Spread(grid.scale, grid, w.size(1));
  const at::Tensor zero_point = Spread(grid.zero_point, grid, w.size(1));
  return ((w / scale + zero_point).clamp(0, (1 << grid.bits) - 1) - zero_point) * scale;
}

GptqOptions OptionsOf(int bits, int64_t group_size, bool symmetric) {
  GptqOptions options;
  options.grid.spec = {bits, group_size, symmetric};
  options.keep_target = true;
  return options;
}

struct Solved {
  at::Tensor w;
  GptqFactor factor;
  GptqResult result;
};

Solved Solve(uint64_t seed, const GptqOptions& options) {
  at::manual_seed(seed);
  const int64_t in = 100;  // the last group is short
  const at::Tensor x = at::randn({4 * in, in}).mm(at::randn({in, in}) / in + 0.3 * at::eye(in));
  Solved s = {at::randn({24, in}) * 0.05, *FactorHessian(x.t().mm(x), options), {}};
  s.result = *Gptq(s.w, s.factor, options);
  return s;
}

TEST(NearestStartTest, HardeningGivesTheCodesBack) {
  for (int bits : {2, 3, 4, 8}) {
    for (bool symmetric : {false, true}) {
      const Solved s = Solve(1, OptionsOf(bits, 32, symmetric));
      const auto start = NearestStart(s.w, s.result.linear);
      ASSERT_TRUE(start.ok()) << start.status();
      EXPECT_TRUE(at::equal(HardCodes(*start), s.result.linear.codes));
      const auto rtn = RoundToNearest(s.w, OptionsOf(bits, 32, symmetric).grid);
      EXPECT_TRUE(at::equal(HardCodes(*NearestStart(s.w, *rtn)), rtn->codes));
    }
  }
}

TEST(NearestStartTest, SoftWeightsAreAsNearAsTheDecisionsAllow) {
  const Solved s = Solve(2, OptionsOf(3, -1, false));
  const auto start = NearestStart(s.w, s.result.linear);
  ASSERT_TRUE(start.ok()) << start.status();
  const Grid& grid = s.result.linear.grid;
  const at::Tensor w = Inside(s.w, grid);
  const at::Tensor in_steps = (SoftWeight(*start) - w).abs() / grid.scale;
  const at::Tensor hard = *Dequantize(s.result.linear, at::kFloat);
  const at::Tensor hard_steps = (hard - w).abs() / grid.scale;
  // A decision for the nearer code leaves at most the distance of 0.48 to 0.5.
  EXPECT_LT(in_steps.masked_select(hard_steps.lt(0.5)).max().item<float>(), 0.021);
  EXPECT_LT((in_steps - hard_steps).max().item<float>(), 0.0011);
  EXPECT_LT(in_steps.mean().item<float>(), 0.5 * hard_steps.mean().item<float>());
}

TEST(NearestStartTest, EveryVariableHasAGradient) {
  const Solved s = Solve(3, OptionsOf(2, -1, true));
  const at::Tensor alpha = NearestStart(s.w, s.result.linear)->alpha;
  EXPECT_TRUE(RectifiedSigmoidSlope(alpha, /*saturate=*/true).gt(0).all().item<bool>());
  const at::Tensor h = RectifiedSigmoid(alpha);
  EXPECT_GT((h - 0.5).abs().min().item<float>(), 0.0199);
}

TEST(FractionalStartTest, SoftWeightsOfRtnAreTheWeights) {
  const Solved s = Solve(4, OptionsOf(4, 32, false));
  const Grid& grid = s.result.linear.grid;
  const auto start = FractionalStart(s.w, grid, {});
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_LT((SoftWeight(*start) - Inside(s.w, grid)).abs().max().item<float>(), 1e-6);
}

TEST(FractionalStartTest, DecisionsOfGptqsTargetsAreThoseOfGptq) {
  for (bool act_order : {false, true}) {
    GptqOptions options = OptionsOf(3, 32, false);
    options.act_order = act_order;
    options.block_size = 32;
    const Solved s = Solve(5, options);
    const auto start = FractionalStart(s.result.target, s.result.linear.grid, {});
    ASSERT_TRUE(start.ok()) << start.status();
    EXPECT_TRUE(at::equal(HardCodes(*start), s.result.linear.codes));
    const auto push = GptqPush(s.result, s.factor, 1e-4);
    ASSERT_TRUE(push.ok()) << push.status();
    const auto pushed = FractionalStart(s.result.target, s.result.linear.grid, *push);
    ASSERT_TRUE(pushed.ok()) << pushed.status();
    EXPECT_TRUE(at::equal(HardCodes(*pushed), s.result.linear.codes));
    const auto undecided = [](const at::Tensor& a) {
      return (RectifiedSigmoid(a) - 0.5).abs().mean().item<double>();
    };
    EXPECT_GT(undecided(pushed->alpha), undecided(start->alpha));
  }
}

TEST(FractionalStartTest, BaseOutsideTheGridIsClipped) {
  Grid grid = {at::ones({1, 1}), at::full({1, 1}, 2.0), 4, 2};
  const at::Tensor w = at::tensor({-100.0f, -2.5f, 0.25f, 100.0f}).view({1, 4});
  const auto start = FractionalStart(w, grid, {});
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(at::equal(start->base, at::tensor({0, 1, 4, 6}, at::kByte).view({1, 4})));
  EXPECT_TRUE(at::equal(HardCodes(*start), at::tensor({0, 0, 2, 3}, at::kByte).view({1, 4})));
}

TEST(FractionalStartTest, On8BitsBaseIsWithinTheGrid) {
  const Grid grid = {at::ones({1, 1}), at::full({1, 1}, 2.0), 5, 8};
  const at::Tensor w = at::tensor({-100.0f, -2.5f, 0.25f, 252.75f, 253.0f}).view({1, 5});
  const auto start = FractionalStart(w, grid, {});
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(at::equal(start->base, at::tensor({0, 0, 2, 254, 254}, at::kByte).view({1, 5})));
  EXPECT_TRUE(
      at::equal(HardCodes(*start), at::tensor({0, 0, 2, 255, 255}, at::kByte).view({1, 5})));
  EXPECT_LT((SoftWeight(*start) - Inside(w, grid)).abs().max().item<float>(), 0.002);
}

TEST(RectifiedSigmoidTest, InverseIsFiniteAndInverts) {
  const at::Tensor h = at::linspace(-0.5, 1.5, 201);
  const at::Tensor alpha = InverseRectifiedSigmoid(h);
  EXPECT_TRUE(alpha.isfinite().all().item<bool>());
  EXPECT_LT((RectifiedSigmoid(alpha) - h.clamp(0, 1)).abs().max().item<float>(), 1e-6);
}

TEST(RectifiedSigmoidTest, SlopesAreDerivatives) {
  const at::Tensor a = at::linspace(-4, 4, 202, at::kDouble);  // no entry on an edge of the clamp
  const double step = 1e-6;
  const auto derivative = [&](auto f) { return (f(a + step) - f(a - step)) / (2 * step); };
  EXPECT_TRUE(at::allclose(RectifiedSigmoidSlope(a, true),
                           derivative([](const at::Tensor& x) { return RectifiedSigmoid(x); }),
                           1e-6, 1e-8));
  EXPECT_TRUE(at::allclose(RectifiedSigmoidSlope(a, false),
                           derivative([](const at::Tensor& x) { return at::sigmoid(x) * 1.2; }),
                           1e-6, 1e-8));
  for (double beta : {2.0, 7.25, 20.0}) {
    EXPECT_TRUE(at::allclose(
        RoundRegulariserSlope(a, beta),
        derivative([&](const at::Tensor& x) { return RoundRegulariser(x, beta); }), 1e-5, 1e-7));
  }
}

TEST(RoundingStartTest, BadArgumentsAreRefused) {
  const Solved s = Solve(6, OptionsOf(4, 32, false));
  QuantizedLinear linear = s.result.linear;
  at::Tensor nan = s.w.clone();
  nan[1][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(NearestStart(nan, linear).status(),
            absl::InvalidArgumentError("the weight holds NaN or Inf"));
  EXPECT_THAT(std::string(NearestStart(s.w.narrow(1, 0, 50), linear).status().message()),
              HasSubstr("codes must have the shape of the weight, [24, 50]"));
  EXPECT_THAT(
      std::string(FractionalStart(s.w, linear.grid, at::zeros({24, 99})).status().message()),
      HasSubstr("push must have the shape of the weight, [24, 100]"));
  linear.grid.group_size = 16;
  EXPECT_THAT(std::string(NearestStart(s.w, linear).status().message()),
              HasSubstr("must be [24, 7]"));
  GptqResult bare = s.result;
  bare.target = at::Tensor();
  EXPECT_EQ(GptqPush(bare, s.factor, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rondo
