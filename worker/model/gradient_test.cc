// Gradients of whole decoder layers, family by family, against differences of their outputs.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gtest/gtest.h"
#include "worker/model/decoder.h"
#include "worker/model/model_fixture.h"

namespace rondo {
namespace {

class GradientTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    stage_ = model_.Load({0, 1, true, true});
    hidden_ = *stage_->Embed(at::arange(2 * 30, at::kLong).view({2, 30}) + 5);
    weights_ = at::randn(hidden_.sizes());
  }

  at::Tensor Forward(const at::Tensor& hidden) const {
    const auto out = stage_->layers()[0]->Forward(hidden, nullptr);
    EXPECT_TRUE(out.ok()) << out.status();
    return *out;
  }
  // A fixed weighting of the layer's outputs.
  double Loss(const at::Tensor& hidden) const {
    return (Forward(hidden) * weights_).sum(at::kDouble).item<double>();
  }
  at::Tensor Gradient() const {
    const at::Tensor leaf = hidden_.clone().requires_grad_();
    Forward(leaf).backward(weights_);
    return leaf.grad();
  }

  ModelFixture model_{GetParam()};
  std::unique_ptr<Stage> stage_;
  at::Tensor hidden_, weights_;
};

// x times a weight of its own that is trained.
class Trained : public LinearProduct {
 public:
  explicit Trained(const at::Tensor& weight) : weight(weight.clone().requires_grad_()) {}
  at::Tensor Multiply(const at::Tensor& x) override { return at::linear(x, weight); }
  at::Tensor weight;
};

TEST_P(GradientTest, EqualsDifferencesOfOutputs) {
  const at::Tensor gradient = Gradient();
  const at::Tensor steepest = gradient / gradient.norm();
  at::Tensor other = at::randn(hidden_.sizes());
  other.mul_(steepest.norm() / other.norm()).add_(steepest).div_(2);
  for (const at::Tensor& direction : {steepest, other}) {
    const double step = 1e-3 * hidden_.norm().item<double>();
    const double difference =
        (Loss(hidden_ + direction * step) - Loss(hidden_ - direction * step)) / (2 * step);
    const double slope = (gradient * direction).sum(at::kDouble).item<double>();
    EXPECT_NEAR(difference, slope, 2e-3 * std::abs(slope));
  }
}

TEST_P(GradientTest, RecordingDoesNotChangeTheOutput) {
  const at::Tensor recorded = Forward(hidden_.clone().requires_grad_());
  EXPECT_TRUE(recorded.requires_grad());
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(recorded.detach(), Forward(hidden_)));
}

TEST_P(GradientTest, NothingIsRecordedWithoutNeed) {
  EXPECT_FALSE(Forward(hidden_).requires_grad());
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(Forward(hidden_.clone().requires_grad_()).requires_grad());
}

TEST_P(GradientTest, ProductsStandInForWeights) {
  const at::Tensor want = Forward(hidden_), gradient = Gradient();
  std::vector<Linear>& linears = stage_->layers()[0]->linears();
  std::vector<at::Tensor> weights;
  weights.reserve(linears.size());
  for (Linear& linear : linears) weights.push_back(linear.weight);
  stage_ = model_.Load({0, 1, true, true, /*linears=*/false});
  std::vector<Trained> products(weights.begin(), weights.end());
  for (size_t i = 0; i < weights.size(); ++i) {
    Linear& linear = stage_->layers()[0]->linears()[i];
    EXPECT_FALSE(linear.weight.defined());
    linear.product = &products[i];
  }
  EXPECT_TRUE(at::allclose(Forward(hidden_).detach(), want, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(Gradient(), gradient, 1e-4, 1e-6));
  for (Trained& product : products) {
    ASSERT_TRUE(product.weight.grad().defined());
    EXPECT_GT(product.weight.grad().norm().item<double>(), 0);
  }
}

TEST_P(GradientTest, WeightsOfAProductHaveTheirGradientWhereTheInputHasNone) {
  Trained last(stage_->layers()[0]->linears().back().weight);
  stage_->layers()[0]->linears().back().product = &last;
  Forward(hidden_).backward(weights_);
  const double step = 1e-2;
  const at::Tensor gradient = last.weight.grad(), steepest = gradient / gradient.norm();
  const at::NoGradGuard no_grad;
  last.weight.add_(steepest, step);
  const double above = Loss(hidden_);
  last.weight.add_(steepest, -2 * step);
  const double slope = gradient.norm().item<double>();
  EXPECT_NEAR((above - Loss(hidden_)) / (2 * step), slope, 2e-3 * slope);
}

TEST_P(GradientTest, TheHeadRecordsAndEqualsItsParts) {
  const at::Tensor leaf = hidden_.clone().requires_grad_();
  const at::Tensor final_hidden = *stage_->FinalHidden(leaf);
  EXPECT_EQ(stage_->head().sizes(),
            at::IntArrayRef({model_.config().vocab_size, final_hidden.size(-1)}));
  EXPECT_TRUE(at::equal(*stage_->Logits(leaf), at::linear(final_hidden, stage_->head())));
  final_hidden.sum().backward();
  EXPECT_GT(leaf.grad().norm().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Models, GradientTest,
                         ::testing::Values("llama-tiny", "opt-tiny", "opt-post-norm", "qwen3-tiny"),
                         TestName);

}  // namespace
}  // namespace rondo
