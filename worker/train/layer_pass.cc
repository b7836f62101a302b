#include "worker/train/layer_pass.h"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

absl::StatusOr<at::Tensor> BackwardLayer(const DecoderLayer& layer, const at::Tensor& input,
                                         const at::Tensor& gradient) {
  return CatchTorch("backward through a decoder layer", [&]() -> absl::StatusOr<at::Tensor> {
    const at::AutoGradMode record(true);
    const at::Tensor x = input.detach().requires_grad_(true);
    ASSIGN_OR_RETURN(const at::Tensor y, layer.Forward(x, nullptr));
    torch::autograd::backward({y}, {gradient});
    return x.grad();
  });
}

}  // namespace

absl::StatusOr<at::Tensor> ForwardLayers(const Stage& stage, at::Tensor hidden,
                                         SavedInputs* saved) {
  const at::NoGradGuard no_grad;
  for (const auto& layer : stage.layers()) {
    saved->push_back(hidden);
    ASSIGN_OR_RETURN(hidden, layer->Forward(hidden, nullptr));
  }
  return hidden;
}

absl::StatusOr<at::Tensor> BackwardLayers(const Stage& stage, SavedInputs saved,
                                          at::Tensor gradient) {
  for (size_t layer = stage.layers().size(); layer-- > 0;) {
    ASSIGN_OR_RETURN(gradient, BackwardLayer(*stage.layers()[layer], saved[layer], gradient));
    saved[layer].reset();
  }
  return gradient;
}

}  // namespace rondo
