#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/algo/gptq.h"

namespace rondo {
namespace {

at::Tensor RandomInput(int64_t tokens, int64_t in, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({tokens, in});
}

at::Tensor Moment(const std::vector<at::Tensor>& batches, int64_t in) {
  HessianAccumulator accumulator(in, at::kCPU);
  for (const at::Tensor& x : batches) EXPECT_TRUE(accumulator.Add(x).ok());
  auto h = accumulator.Take();
  EXPECT_TRUE(h.ok()) << h.status();
  return *h;
}

TEST(HessianTest, IsTheSecondMomentOfAllBatches) {
  for (int64_t in : {1, 40, 192, 500}) {
    const at::Tensor x = RandomInput(130, in, in);
    for (at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const at::Tensor stored = x.to(dtype);
      const at::Tensor h = Moment({stored.narrow(0, 0, 99), stored.narrow(0, 99, 31)}, in);
      const at::Tensor exact = stored.to(at::kDouble);
      const at::Tensor want = exact.t().mm(exact);
      EXPECT_TRUE(at::allclose(h.to(at::kDouble), want, 1e-5, 1e-3)) << in << " " << dtype;
      EXPECT_TRUE(at::equal(h, h.t()));
    }
  }
}

TEST(HessianTest, ThreadsDoNotChangeTheResult) {
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = RandomInput(512, 576, 3).to(dtype);
    at::set_num_threads(2);
    const at::Tensor two = Moment({x}, 576);
    at::set_num_threads(1);
    const at::Tensor one = Moment({x}, 576);
    EXPECT_TRUE(at::equal(one, two)) << dtype;
  }
}

TEST(HessianTest, TakingEmptiesTheAccumulator) {
  HessianAccumulator accumulator(8, at::kCPU);
  EXPECT_EQ(accumulator.Take().status().code(), absl::StatusCode::kFailedPrecondition);
  const at::Tensor x = RandomInput(20, 8, 4);
  ASSERT_TRUE(accumulator.Add(RandomInput(7, 8, 5)).ok());
  EXPECT_EQ(accumulator.tokens(), 7);
  ASSERT_TRUE(accumulator.Take().ok());
  EXPECT_EQ(accumulator.tokens(), 0);
  ASSERT_TRUE(accumulator.Add(x).ok());
  EXPECT_TRUE(at::equal(*accumulator.Take(), Moment({x}, 8)));
}

TEST(HessianTest, InputsOfAnotherWidthAreRefused) {
  HessianAccumulator accumulator(8, at::kCPU);
  EXPECT_EQ(accumulator.Add(at::zeros({3, 9})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(accumulator.Add(at::zeros({8})).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FactorTest, FactorsGiveTheDampedHessian) {
  const at::Tensor h = Moment({RandomInput(200, 48, 6)}, 48);
  GptqOptions options;
  for (bool act_order : {false, true}) {
    options.act_order = act_order;
    const GptqFactor f = *FactorHessian(h, options);
    const at::Tensor v = f.feedback.to(at::kDouble);
    EXPECT_TRUE(at::equal(v, v.triu()));
    EXPECT_TRUE(at::equal(v.diagonal(), at::ones({48}, at::kDouble)));
    at::Tensor damped = h.to(at::kDouble);
    damped.diagonal().add_(0.01 * damped.diagonal().mean().item<double>());
    EXPECT_EQ(f.permutation.defined(), act_order);
    if (act_order) {
      damped = damped.index_select(0, f.permutation).index_select(1, f.permutation);
      const at::Tensor diagonal = damped.diagonal();
      EXPECT_TRUE((diagonal.slice(0, 1) <= diagonal.slice(0, 0, -1)).all().item<bool>());
    }
    EXPECT_TRUE(at::allclose(at::mm(v * f.pivots, v.t()), damped, 1e-5, 1e-3));
    EXPECT_EQ(f.percdamp_used, 0.01);
  }
}

TEST(FactorTest, TiesOfTheDiagonalKeepTheirOrder) {
  GptqOptions options;
  options.act_order = true;
  const at::Tensor h = at::diag(at::tensor({1.0f, 2.0f, 1.0f, 2.0f, 1.0f}));
  const at::Tensor want = at::tensor(std::vector<int64_t>{1, 3, 0, 2, 4});
  EXPECT_TRUE(at::equal(FactorHessian(h, options)->permutation, want));
}

TEST(FactorTest, DampingGrowsUntilTheHessianIsPositiveDefinite) {
  // Eigenvalues 1 +- 1.05: damping must exceed 5 % of the mean diagonal.
  const at::Tensor h = at::tensor({1.0f, 1.05f, 1.05f, 1.0f}).view({2, 2});
  const auto factor = FactorHessian(h, GptqOptions());
  ASSERT_TRUE(factor.ok()) << factor.status();
  EXPECT_NEAR(factor->percdamp_used, 0.1, 1e-12);
}

TEST(FactorTest, AnIndefiniteHessianIsRefused) {
  const at::Tensor h = at::tensor({1.0f, 3.0f, 3.0f, 1.0f}).view({2, 2});
  EXPECT_EQ(
      FactorHessian(h, GptqOptions()).status(),
      absl::FailedPreconditionError("Hessian is not positive definite even with percdamp 1.0"));
}

TEST(FactorTest, DeadInputsAreFound) {
  at::Tensor x = RandomInput(50, 6, 7);
  x.select(1, 4).zero_();
  const GptqFactor f = *FactorHessian(Moment({x}, 6), GptqOptions());
  EXPECT_TRUE(at::equal(f.dead, at::tensor({0, 0, 0, 0, 1, 0}).to(at::kBool)));
}

TEST(FactorTest, NaNIsRefused) {
  at::Tensor h = at::eye(4);
  h[1][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(FactorHessian(h, GptqOptions()).status(),
            absl::InvalidArgumentError("the Hessian holds NaN or Inf"));
}

}  // namespace
}  // namespace rondo
