// Every dtype, shape and layout against the formula in float64.
#include "worker/model/elementwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gtest/gtest.h"

namespace rondo {
namespace {

class ElementwiseTensorTest : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(1); }
  void TearDown() override { at::set_num_threads(1); }
  at::Tensor Normal(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
  // A few roundings of the dtype.
  double Tolerance() const {
    return GetParam() == at::kFloat ? 1e-6 : GetParam() == at::kHalf ? 2e-3 : 2e-2;
  }
  void ExpectNear(const at::Tensor& got, const at::Tensor& want) const {
    EXPECT_EQ(got.scalar_type(), GetParam());
    ASSERT_EQ(got.sizes(), want.sizes());
    const double error = (got.to(at::kDouble) - want).abs().max().item<double>();
    EXPECT_LT(error, Tolerance() * want.abs().max().item<double>());
  }
};

TEST_P(ElementwiseTensorTest, RmsNormEqualsItsFormula) {
  const at::Tensor all = Normal({2, 37, 50}), weight = Normal({50});
  for (const at::Tensor& x : {all, all.narrow(1, 3, 20), all.select(0, 1)}) {
    const at::Tensor wide = x.to(at::kDouble);
    const at::Tensor scale = (wide.square().mean(-1, true) + 0.1).rsqrt();
    ExpectNear(RmsNorm(x, weight, 0.1), wide * scale * weight.to(at::kDouble));
  }
}

TEST_P(ElementwiseTensorTest, SiluMulEqualsItsFormula) {
  const at::Tensor gate = Normal({2, 37, 50}) * 5, up = Normal({2, 50, 37}).transpose(1, 2);
  const at::Tensor wide = gate.to(at::kDouble);
  ExpectNear(SiluMul(gate.clone(), up), wide * wide.sigmoid() * up.to(at::kDouble));
}

TEST_P(ElementwiseTensorTest, RotateEqualsItsFormula) {
  const at::Tensor x = Normal({2, 37, 3, 2, 10}), angles = at::randn({37, 1, 5});
  const at::Tensor cos = angles.cos().to(GetParam()), sin = angles.sin().to(GetParam());
  const std::vector<at::Tensor> halves = x.to(at::kDouble).transpose(1, 2).chunk(2, -1);
  const at::Tensor c = cos.to(at::kDouble), s = sin.to(at::kDouble);
  const at::Tensor want =
      at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
  ExpectNear(Rotate(x, cos, sin), want);
}

// Gradients against torch's own, of the formula in float64.
TEST_P(ElementwiseTensorTest, RmsNormBackwardEqualsAutograd) {
  const at::Tensor x = Normal({2, 37, 50}), weight = Normal({50}), out = Normal({2, 37, 50});
  const at::Tensor wide = x.to(at::kDouble).requires_grad_();
  (wide * (wide.square().mean(-1, true) + 0.1).rsqrt() * weight.to(at::kDouble))
      .backward(out.to(at::kDouble));
  const at::Tensor leaf = x.clone().requires_grad_(), y = RmsNorm(leaf, weight, 0.1);
  EXPECT_TRUE(at::equal(y.detach(), RmsNorm(x, weight, 0.1)));
  y.backward(out);
  ExpectNear(leaf.grad(), wide.grad());
}

TEST_P(ElementwiseTensorTest, SiluMulBackwardEqualsAutograd) {
  const at::Tensor gate = Normal({2, 37, 50}) * 5, up = Normal({2, 37, 50}),
                   out = Normal({2, 37, 50});
  const at::Tensor wide_gate = gate.to(at::kDouble).requires_grad_();
  const at::Tensor wide_up = up.to(at::kDouble).requires_grad_();
  (wide_gate * wide_gate.sigmoid() * wide_up).backward(out.to(at::kDouble));
  const at::Tensor g = gate.clone().requires_grad_(), u = up.clone().requires_grad_();
  const at::Tensor y = SiluMul(g, u);
  EXPECT_TRUE(at::equal(y.detach(), SiluMul(gate.clone(), up)));
  y.backward(out);
  ExpectNear(g.grad(), wide_gate.grad());
  ExpectNear(u.grad(), wide_up.grad());
}

TEST_P(ElementwiseTensorTest, RotateBackwardEqualsAutograd) {
  const at::Tensor x = Normal({2, 37, 3, 2, 10}), out = Normal({2, 3, 37, 2, 10});
  const at::Tensor angles = at::randn({37, 1, 5});
  const at::Tensor cos = angles.cos().to(GetParam()), sin = angles.sin().to(GetParam());
  const at::Tensor c = cos.to(at::kDouble), s = sin.to(at::kDouble);
  const at::Tensor wide = x.to(at::kDouble).requires_grad_();
  const std::vector<at::Tensor> halves = wide.transpose(1, 2).chunk(2, -1);
  at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1)
      .backward(out.to(at::kDouble));
  const at::Tensor leaf = x.clone().requires_grad_(), y = Rotate(leaf, cos, sin);
  EXPECT_TRUE(at::equal(y.detach(), Rotate(x, cos, sin)));
  y.backward(out);
  ExpectNear(leaf.grad(), wide.grad());
  ExpectNear(RotateBack(Rotate(x, cos, sin), cos, sin), x.to(at::kDouble));
}

TEST_P(ElementwiseTensorTest, ThreadsDoNotChangeTheResult) {
  const at::Tensor x = Normal({3, 211, 192}), weight = Normal({192});
  const at::Tensor angles = at::randn({211, 1, 16}).to(GetParam());
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return std::vector<at::Tensor>{RmsNorm(x, weight, 1e-5), SiluMul(x.clone(), x),
                                   Rotate(x.view({3, 211, 3, 2, 32}), angles, angles)};
  };
  const std::vector<at::Tensor> one = run(1), five = run(5);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], five[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Dtypes, ElementwiseTensorTest,
                         ::testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                         [](const auto& info) { return std::string(at::toString(info.param)); });

}  // namespace
}  // namespace rondo
