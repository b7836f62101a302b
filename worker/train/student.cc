#include "worker/train/student.h"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace rondo {
namespace {

struct ProductBackward final : public torch::autograd::Node {
  ProductBackward(RoundedLinear* linear, at::Tensor input, at::Tensor w)
      : rounded(linear), x(std::move(input)), weight(std::move(w)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    const at::NoGradGuard no_grad;
    const at::Tensor& gradient = gradients.front();  // [..., out]
    const at::Tensor g = gradient.reshape({-1, gradient.size(-1)}).to(x.scalar_type());
    rounded->AddGradient(at::mm(g.t(), x));
    std::vector<int64_t> shape = gradient.sizes().vec();
    shape.back() = x.size(1);
    return {at::mm(g, weight).to(gradient.scalar_type()).view(shape)};
  }

  std::string name() const override { return "StudentProduct"; }
  void release_variables() override {
    x.reset();
    weight.reset();
  }

  RoundedLinear* rounded;
  at::Tensor x;       // [tokens, in]
  at::Tensor weight;  // [out, in]
};

}  // namespace

at::Tensor StudentProduct::Multiply(const at::Tensor& x) {
  at::Tensor y, input, weight;
  {
    const at::NoGradGuard no_grad;
    input = x.reshape({-1, x.size(-1)}).to(dtype_);
    weight = rounded_->Weight(dtype_);
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    // Not a view: callers add to it in place.
    y = at::_unsafe_view(at::mm(input, weight.t()).to(x.scalar_type()), shape);
  }
  if (at::GradMode::is_enabled() && x.requires_grad()) {
    auto node = std::make_shared<ProductBackward>(rounded_, std::move(input), std::move(weight));
    node->set_next_edges(torch::autograd::collect_next_edges(x));
    torch::autograd::set_history(y, node);
  }
  return y;
}

}  // namespace rondo
