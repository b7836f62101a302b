#include "worker/algo/gptq.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

struct Problem {
  at::Tensor w;  // [out, in]
  at::Tensor h;  // [in, in], of correlated inputs
};

Problem RandomProblem(int64_t out, int64_t in, uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor x = at::randn({4 * in, in}).mm(at::randn({in, in}) / in + 0.3 * at::eye(in));
  return {at::randn({out, in}) * 0.05, x.t().mm(x)};
}

GptqOptions Options(int bits, int64_t group_size, bool symmetric = false) {
  GptqOptions options;
  options.grid.spec = {bits, group_size, symmetric};
  return options;
}

GptqResult Solve(const Problem& p, const GptqOptions& options) {
  const auto factor = FactorHessian(p.h, options);
  EXPECT_TRUE(factor.ok()) << factor.status();
  auto result = Gptq(p.w, *factor, options);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

// tr(E H_d E^T), from its definition.
double Objective(const Problem& p, const at::Tensor& q, double percdamp = 0.01) {
  at::Tensor h = p.h.to(at::kDouble);
  h.diagonal().add_(percdamp * h.diagonal().mean().item<double>());
  const at::Tensor e = p.w.to(at::kDouble) - q.to(at::kDouble);
  return (e.mm(h) * e).sum().item<double>();
}

TEST(GptqTest, BeatsRoundingToNearest) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Problem p = RandomProblem(24, 96, seed);
    const GptqOptions options = Options(3, -1);
    const double rtn = Objective(p, *Dequantize(*RoundToNearest(p.w, options.grid), at::kFloat));
    EXPECT_LT(Objective(p, *Dequantize(Solve(p, options).linear, at::kFloat)), 0.95 * rtn);
  }
}

TEST(GptqTest, ReportsItsObjective) {
  const Problem p = RandomProblem(24, 300, 11);
  for (bool act_order : {false, true}) {
    GptqOptions options = Options(4, 32);
    options.act_order = act_order;
    const GptqResult result = Solve(p, options);
    const double want = Objective(p, *Dequantize(result.linear, at::kFloat));
    EXPECT_NEAR(result.objective, want, 1e-4 * want);
    const double energy = Objective(p, at::zeros_like(p.w));
    EXPECT_NEAR(result.relative_error, want / energy, 1e-4 * want / energy);
  }
}

TEST(GptqTest, IsRoundingToNearestForADiagonalHessian) {
  Problem p = RandomProblem(24, 96, 12);
  p.h = at::diag(p.h.diagonal());
  for (int64_t group_size : {-1, 32}) {
    const GptqOptions options = Options(3, group_size);
    const QuantizedLinear rtn = *RoundToNearest(p.w, options.grid);
    const QuantizedLinear got = Solve(p, options).linear;
    EXPECT_TRUE(at::equal(got.codes, rtn.codes));
    EXPECT_TRUE(at::equal(got.grid.scale, rtn.grid.scale));
  }
}

TEST(GptqTest, ScalingTheHessianChangesNothing) {
  Problem p = RandomProblem(24, 96, 13);
  const GptqOptions options = Options(3, 32);
  const GptqResult before = Solve(p, options);
  p.h = p.h * 4;
  const GptqResult after = Solve(p, options);
  EXPECT_TRUE(at::equal(before.linear.codes, after.linear.codes));
  EXPECT_DOUBLE_EQ(before.relative_error, after.relative_error);
}

TEST(GptqTest, DeadInputsGetTheValueZero) {
  for (bool act_order : {false, true}) {
    for (int64_t group_size : {-1, 16}) {
      Problem p = RandomProblem(24, 96, 14);
      p.h.select(0, 37).zero_();
      p.h.select(1, 37).zero_();
      GptqOptions options = Options(4, group_size);
      options.act_order = act_order;
      const at::Tensor q = *Dequantize(Solve(p, options).linear, at::kFloat);
      EXPECT_TRUE(at::equal(q.select(1, 37), at::zeros({24})));
    }
  }
}

TEST(GptqTest, BlockSizeDoesNotChangeTheObjectiveOfARowGrid) {
  const Problem p = RandomProblem(24, 96, 15);
  GptqOptions options = Options(3, -1);
  const double want = Solve(p, options).objective;
  for (int64_t block_size : {1, 7, 32, 256}) {
    options.block_size = block_size;
    EXPECT_NEAR(Solve(p, options).objective, want, 0.02 * want) << block_size;
  }
}

TEST(GptqTest, ThreadsDoNotChangeTheResult) {
  const Problem p = RandomProblem(300, 576, 16);
  for (bool act_order : {false, true}) {
    GptqOptions options = Options(4, 64, true);
    options.act_order = act_order;
    at::set_num_threads(2);
    const GptqResult two = Solve(p, options);
    at::set_num_threads(1);
    const GptqResult one = Solve(p, options);
    EXPECT_TRUE(at::equal(one.linear.codes, two.linear.codes));
    EXPECT_TRUE(at::equal(one.linear.grid.scale, two.linear.grid.scale));
    EXPECT_EQ(one.objective, two.objective);
  }
}

TEST(GptqTest, StoredScalesAreUsedInGroupsToo) {
  const Problem p = RandomProblem(24, 96, 17);
  for (bool act_order : {false, true}) {
    GptqOptions options = Options(4, 32);
    options.act_order = act_order;
    options.grid.scale_dtype = at::kBFloat16;
    const at::Tensor scale = Solve(p, options).linear.grid.scale;
    EXPECT_TRUE(at::equal(scale, scale.to(at::kBFloat16).to(at::kFloat)));
  }
}

TEST(GptqTest, ActOrderKeepsTheGroupsOfTheCheckpoint) {
  const Problem p = RandomProblem(24, 96, 18);
  GptqOptions options = Options(3, 32);
  options.act_order = true;
  const Grid want = *FitGrid(p.w, options.grid);
  const Grid got = Solve(p, options).linear.grid;
  EXPECT_TRUE(at::equal(got.scale, want.scale));
  EXPECT_TRUE(at::equal(got.zero_point, want.zero_point));
}

TEST(GptqTest, BadArgumentsAreRefused) {
  Problem p = RandomProblem(4, 16, 19);
  GptqOptions options = Options(4, -1);
  const GptqFactor factor = *FactorHessian(p.h, options);
  EXPECT_THAT(std::string(Gptq(at::zeros({4, 8}), factor, options).status().message()),
              HasSubstr("8 columns, the Hessian's factor 16"));
  options.block_size = 257;
  EXPECT_EQ(Gptq(p.w, factor, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.block_size = 128;
  p.w[1][2] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(Gptq(p.w, factor, options).status(),
            absl::InvalidArgumentError("the weight holds NaN or Inf"));
}

}  // namespace
}  // namespace rondo
