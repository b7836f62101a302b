#include "worker/train/layer_pass.h"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

absl::StatusOr<SavedLayer> RecordLayer(const DecoderLayer& layer, const at::Tensor& input) {
  const at::AutoGradMode record(true);
  SavedLayer saved;
  saved.input = input.detach().requires_grad_(true);
  ASSIGN_OR_RETURN(saved.output, layer.Forward(saved.input, nullptr));
  return saved;
}

absl::StatusOr<at::Tensor> BackwardLayer(const DecoderLayer& layer, SavedLayer saved,
                                         const at::Tensor& gradient) {
  return CatchTorch("backward through a decoder layer", [&]() -> absl::StatusOr<at::Tensor> {
    if (!saved.output.defined()) {
      ASSIGN_OR_RETURN(saved, RecordLayer(layer, saved.input));
    }
    torch::autograd::backward({saved.output}, {gradient});
    return saved.input.grad();
  });
}

}  // namespace

absl::StatusOr<at::Tensor> ForwardLayers(const Stage& stage, at::Tensor hidden, bool keep_graphs,
                                         SavedLayers* saved) {
  const at::NoGradGuard no_grad;
  for (const auto& layer : stage.layers()) {
    if (saved != nullptr && keep_graphs) {
      ASSIGN_OR_RETURN(SavedLayer kept, RecordLayer(*layer, hidden));
      hidden = kept.output.detach();
      saved->push_back(std::move(kept));
      continue;
    }
    if (saved != nullptr) saved->push_back({hidden, at::Tensor()});
    ASSIGN_OR_RETURN(hidden, layer->Forward(hidden, nullptr));
  }
  return hidden;
}

absl::StatusOr<at::Tensor> BackwardLayers(const Stage& stage, SavedLayers saved,
                                          at::Tensor gradient) {
  for (size_t layer = stage.layers().size(); layer-- > 0;) {
    ASSIGN_OR_RETURN(
        gradient, BackwardLayer(*stage.layers()[layer], std::exchange(saved[layer], {}), gradient));
  }
  return gradient;
}

}  // namespace rondo
