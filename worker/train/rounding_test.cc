#include "worker/train/rounding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "kernels/api/codebook.h"
#include "worker/train/student.h"

namespace rondo {
namespace {

constexpr int64_t kOut = 24, kIn = 64, kDim = 8, kCodes = 16;

at::Tensor Random(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kFloat);
}

double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// A layer with codebook rows drawn at random, and what a dense computation of it needs.
struct Problem {
  explicit Problem(bool grouped) {
    const at::Tensor w = Random({kOut, kIn}, 1);
    GridOptions options;
    options.spec = {3, grouped ? 16 : -1, false};
    QuantizedLinear rounded = *RoundToNearest(w, options);
    RoundingVariables start = *NearestStart(w, rounded);
    scale = rounded.grid.scale.repeat_interleave(rounded.grid.group_size, 1);
    zero = rounded.grid.zero_point.repeat_interleave(rounded.grid.group_size, 1);
    base = start.base.to(at::kFloat) - kernels::BaseOffset(7);
    clusters.centres = Random({kCodes, kDim}, 2);
    clusters.codes = Random({kOut * kIn / kDim}, 3).mul(1000).abs().to(at::kInt).remainder(kCodes);
    std::vector<RoundingVariables> starts = {std::move(start)};
    AddCodebook(clusters, std::move(starts), &layer);
  }

  at::Tensor Alpha(const at::Tensor& codebook) const {
    return codebook.index_select(0, clusters.codes).view({kOut, kIn});
  }
  // Differentiable in `codebook`.
  at::Tensor DenseWeight(const at::Tensor& codebook) const {
    const at::Tensor h = at::clamp(at::sigmoid(Alpha(codebook)) * 1.2 - 0.1, 0, 1);
    return scale * (at::clamp(base + h, 0, 7) - zero);
  }

  at::Tensor base, scale, zero;
  Clusters clusters;
  RoundedLayer layer;
};

class CodebookRounding : public testing::TestWithParam<bool> {};

TEST_P(CodebookRounding, GradientsAreThoseOfDenseAutograd) {
  Problem problem(GetParam());
  Variables& variables = *problem.layer.variables.front();
  RoundedLinear& linear = *problem.layer.linears.front();
  variables.SetForward(/*hard=*/false);
  const at::Tensor x = Random({40, kIn}, 4), g = Random({40, kOut}, 5);

  const at::Tensor own_x = x.clone().requires_grad_(true);
  StudentProduct product(&linear, at::kFloat);
  const at::Tensor y = product.Multiply(own_x);
  torch::autograd::backward({y}, {g});
  const Regulariser regulariser{0.3, 4};
  const double value = variables.FinishStep(regulariser).item<double>();

  const at::Tensor codebook = problem.clusters.centres.clone().requires_grad_(true);
  const at::Tensor dense_x = x.clone().requires_grad_(true);
  const at::Tensor dense_y = at::linear(dense_x, problem.DenseWeight(codebook));
  const at::Tensor h = at::clamp(at::sigmoid(problem.Alpha(codebook)) * 1.2 - 0.1, 0, 1);
  const at::Tensor reg = (1 - (2 * h - 1).abs().pow(regulariser.beta)).sum();
  torch::autograd::backward({(dense_y * g).sum() + regulariser.weight * reg});

  EXPECT_LT(RelativeError(y.detach(), dense_y.detach()), 1e-6);
  EXPECT_LT(RelativeError(own_x.grad(), dense_x.grad()), 1e-5);
  EXPECT_LT(RelativeError(variables.parameters().front().gradient, codebook.grad()), 1e-5);
  EXPECT_NEAR(value, reg.item<double>(), 1e-3 * value);
}

TEST_P(CodebookRounding, HardForwardIsTheHardenedLayer) {
  Problem problem(GetParam());
  problem.layer.variables.front()->SetForward(/*hard=*/true);
  const RoundedLinear& linear = *problem.layer.linears.front();
  const at::Tensor hardened = *Dequantize(linear.Harden(), at::kFloat);
  EXPECT_TRUE(at::equal(linear.Weight(at::kFloat), hardened));
  EXPECT_TRUE(at::equal(linear.Weight(at::kBFloat16), hardened.to(at::kBFloat16)));
}

INSTANTIATE_TEST_SUITE_P(Grids, CodebookRounding, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Groups" : "PerRow"; });

// Straight through: the slope is h' even where h is clamped, and there is no regulariser.
TEST(CodebookRoundingTest, HardForwardPassesSaturatedGradients) {
  Problem problem(false);
  Variables& variables = *problem.layer.variables.front();
  variables.parameters().front().value.fill_(6);  // far beyond the clamp of h
  const at::Tensor dw = at::ones({kOut, kIn});
  for (const bool hard : {false, true}) {
    variables.SetForward(hard);
    problem.layer.linears.front()->AddGradient(dw);
    variables.FinishStep({});
    at::Tensor& gradient = variables.parameters().front().gradient;
    EXPECT_EQ(gradient.abs().sum().item<double>() > 0, hard);
    gradient.zero_();
  }
}

TEST(DenseRoundingTest, AgreesWithACodebookOfOneRowABlock) {
  const at::Tensor w = Random({kOut, kIn}, 1);
  GridOptions options;
  options.spec = {3, 16, false};
  const QuantizedLinear rounded = *RoundToNearest(w, options);
  const RoundingVariables start = *NearestStart(w, rounded);
  RoundedLayer dense, codebook;
  AddDense(start, &dense);
  Clusters own;
  own.centres = start.alpha.view({-1, kDim});
  own.codes = at::arange(own.centres.size(0), at::kInt);
  AddCodebook(own, {start}, &codebook);
  const at::Tensor dw = Random({kOut, kIn}, 6);
  for (RoundedLayer* layer : {&dense, &codebook}) {
    layer->variables.front()->SetForward(false);
    layer->linears.front()->AddGradient(dw);
  }
  EXPECT_LT(RelativeError(dense.linears.front()->Weight(at::kFloat),
                          codebook.linears.front()->Weight(at::kFloat)),
            1e-6);
  const Regulariser regulariser{0.1, 3};
  EXPECT_NEAR(dense.variables.front()->FinishStep(regulariser).item<double>(),
              codebook.variables.front()->FinishStep(regulariser).item<double>(), 1e-2);
  EXPECT_LT(RelativeError(dense.variables.front()->parameters().front().gradient.flatten(),
                          codebook.variables.front()->parameters().front().gradient.flatten()),
            1e-5);
  EXPECT_EQ(dense.variables.front()->Decided(), codebook.variables.front()->Decided());
  EXPECT_TRUE(at::equal(dense.linears.front()->Harden().codes, rounded.codes));
}

TEST(LowRankRoundingTest, StartsAtTheStartAndFollowsItsFactors) {
  const at::Tensor w = Random({kOut, kIn}, 1);
  GridOptions options;
  options.spec = {2, -1, true};
  const QuantizedLinear rounded = *RoundToNearest(w, options);
  RoundedLayer layer;
  AddLowRank(*NearestStart(w, rounded), 3, /*seed=*/7, &layer);
  EXPECT_TRUE(at::equal(layer.linears.front()->Harden().codes, rounded.codes));
  Variables& variables = *layer.variables.front();
  std::vector<Parameter>& factors = variables.parameters();
  ASSERT_EQ(factors.size(), 2U);
  variables.SetForward(false);
  layer.linears.front()->AddGradient(Random({kOut, kIn}, 8));
  variables.FinishStep({});
  // B is zero, so A has no gradient yet.
  EXPECT_GT(factors[0].gradient.abs().sum().item<double>(), 0);
  EXPECT_EQ(factors[1].gradient.abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace rondo
