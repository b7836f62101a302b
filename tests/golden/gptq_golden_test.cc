// GPTQ in its LDLQ form against the reference's form in float64 (tests/data/golden/PROVENANCE.md).
#include <cmath>

#include "gtest/gtest.h"
#include "tests/golden/golden.h"
#include "worker/algo/gptq.h"

namespace rondo {
namespace {

using testing::Close;
using testing::Golden;

struct Case {
  std::string name;
  GridSpec grid;
  bool mse = false;
  bool act_order = false;
  int64_t block_size = 128;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class GptqGoldenTest : public ::testing::TestWithParam<Case> {
 protected:
  GptqGoldenTest() : golden_(GetParam().name) {
    options_.grid.spec = GetParam().grid;
    options_.grid.mse = GetParam().mse;
    options_.act_order = GetParam().act_order;
    options_.block_size = GetParam().block_size;
    options_.keep_target = true;
  }

  absl::StatusOr<GptqResult> Solve(const at::Tensor& h) {
    ASSIGN_OR_RETURN(const GptqFactor factor, FactorHessian(h, options_));
    return Gptq(golden_.Float("W"), factor, options_);
  }

  at::Tensor PerElement(const at::Tensor& per_group, int64_t group_size) {
    return per_group.repeat_interleave(group_size, 1);
  }

  const Golden golden_;
  GptqOptions options_;
};

TEST_P(GptqGoldenTest, EqualsTheReference) {
  const auto result = Solve(golden_.Float("H"));
  ASSERT_TRUE(result.ok()) << result.status();
  const QuantizedLinear& linear = result->linear;
  EXPECT_TRUE(at::equal(linear.codes.to(at::kDouble), golden_.Get("codes")));
  const int64_t group_size = linear.grid.group_size;
  EXPECT_TRUE(Close(PerElement(linear.grid.scale, group_size), golden_.Get("S")));
  EXPECT_TRUE(
      at::equal(PerElement(linear.grid.zero_point, group_size).to(at::kDouble), golden_.Get("Z")));
  EXPECT_TRUE(Close(*Dequantize(linear, at::kFloat), golden_.Get("Q")));
  const double loss = golden_.Scalar("loss");
  EXPECT_NEAR(result->objective, loss, 1e-4 * loss);
  const at::Tensor steps = result->target / PerElement(linear.grid.scale, group_size);
  EXPECT_TRUE(at::allclose(steps.to(at::kDouble), golden_.Get("u"), 1e-4, 1e-4));
}

TEST_P(GptqGoldenTest, SquaredPushesAddUpToTheLoss) {
  const auto factor = FactorHessian(golden_.Float("H"), options_);
  ASSERT_TRUE(factor.ok()) << factor.status();
  const auto result = Gptq(golden_.Float("W"), *factor, options_);
  ASSERT_TRUE(result.ok()) << result.status();
  const at::Tensor push = *GptqPush(*result, *factor, 1);
  const double loss = golden_.Scalar("loss");
  EXPECT_NEAR(push.square().sum().item<double>(), loss, 1e-4 * loss);
  // Of the reference's Hessian, which is 2 * 96 times this one for a sequence of 96 tokens.
  const at::Tensor scaled = *GptqPush(*result, *factor, 192);
  EXPECT_TRUE(at::allclose(scaled, push * std::sqrt(192.0)));
}

TEST_P(GptqGoldenTest, EqualsTheReferenceFromInputs) {
  HessianAccumulator accumulator(32, at::kCPU);
  const at::Tensor x = golden_.Float("X");
  for (int64_t begin : {0, 48}) ASSERT_TRUE(accumulator.Add(x.narrow(0, begin, 48)).ok());
  const auto result = Solve(*accumulator.Take());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(at::equal(result->linear.codes.to(at::kDouble), golden_.Get("codes")));
}

TEST(ActOrderGoldenTest, VisitsColumnsInTheOrderOfTheReference) {
  GptqOptions options;
  options.act_order = true;
  for (const char* name : {"gptq_w4_act", "gptq_w3_act_static"}) {
    const Golden golden(name);
    const auto factor = FactorHessian(golden.Float("H"), options);
    ASSERT_TRUE(factor.ok()) << factor.status();
    EXPECT_TRUE(at::equal(factor->permutation.to(at::kDouble), golden.Get("perm"))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GptqGoldenTest,
                         ::testing::Values(Case{"gptq_plain", {4, -1, false}},
                                           Case{"gptq_w3_g8", {3, 8, false}, false, false, 8},
                                           Case{"gptq_w3_g8_b16", {3, 8, false}, false, false, 16},
                                           Case{"gptq_w2_sym_mse", {2, -1, true}, true},
                                           Case{"gptq_w4_act", {4, -1, false}, false, true},
                                           Case{"gptq_w3_act_static", {3, 8, false}, false, true}),
                         [](const ::testing::TestParamInfo<Case>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace rondo
