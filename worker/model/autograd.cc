#include "worker/model/autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include "worker/model/attention.h"
#include "worker/model/elementwise.h"

namespace rondo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using Gradients = torch::autograd::variable_list;

// apply() calls forward with gradients off, so that the functions called there compute at once.

struct RmsNormNode : Function<RmsNormNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["eps"] = eps;
    return RmsNorm(x, weight, eps);
  }
  static Gradients backward(AutogradContext* ctx, const Gradients& out) {
    const Gradients saved = ctx->get_saved_variables();
    const double eps = ctx->saved_data["eps"].toDouble();
    return {RmsNormBackward(out[0], saved[0], saved[1], eps), {}, {}};
  }
};

struct SiluMulNode : Function<SiluMulNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return SiluMul(gate.clone(), up);
  }
  static Gradients backward(AutogradContext* ctx, const Gradients& out) {
    const Gradients saved = ctx->get_saved_variables();
    const auto in = SiluMulBackward(out[0], saved[0], saved[1]);
    return {in.first, in.second};
  }
};

struct RotateNode : Function<RotateNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return Rotate(x, cos, sin);
  }
  static Gradients backward(AutogradContext* ctx, const Gradients& out) {
    const Gradients saved = ctx->get_saved_variables();
    return {RotateBack(out[0], saved[0], saved[1]), {}, {}};
  }
};

struct AttentionNode : Function<AttentionNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v) {
    ctx->save_for_backward({q, k, v});
    return CausalAttention(q, k, v);
  }
  static Gradients backward(AutogradContext* ctx, const Gradients& out) {
    const Gradients saved = ctx->get_saved_variables();
    AttentionGradients in = CausalAttentionBackward(out[0], saved[0], saved[1], saved[2]);
    return {std::move(in.q), std::move(in.k), std::move(in.v)};
  }
};

}  // namespace

at::Tensor RecordedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return RmsNormNode::apply(x, weight, eps);
}

at::Tensor RecordedSiluMul(const at::Tensor& gate, const at::Tensor& up) {
  return SiluMulNode::apply(gate, up);
}

at::Tensor RecordedRotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return RotateNode::apply(x, cos, sin);
}

at::Tensor RecordedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return AttentionNode::apply(q, k, v);
}

}  // namespace rondo
