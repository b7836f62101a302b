#include "worker/model/decoder.h"

#include <ATen/ops/linear.h>

#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// The observer may be null.
absl::Status Show(InputObserver* observer, int input, const at::Tensor& x) {
  if (observer == nullptr) return absl::OkStatus();
  return observer->OnInput(input, x.reshape({-1, x.size(-1)}));
}

}  // namespace

absl::StatusOr<at::Tensor> DecoderLayer::Forward(const at::Tensor& hidden,
                                                 InputObserver* observer) const {
  ASSIGN_OR_RETURN(const at::Tensor attended, ForwardBlock(Block::kAttention, hidden, observer));
  return ForwardBlock(Block::kFeedForward, attended, observer);
}

absl::StatusOr<at::Tensor> DecoderLayer::ForwardBlock(Block block, const at::Tensor& hidden,
                                                      InputObserver* observer) const {
  return CatchTorch("decoder layer", [&]() -> absl::StatusOr<at::Tensor> {
    const auto [first, last] = InputsOf(block);
    const at::Tensor x = Enter(block, hidden);
    RETURN_IF_ERROR(Show(observer, first, x));
    const at::Tensor y = Mix(block, x);
    RETURN_IF_ERROR(Show(observer, last, y));
    return Leave(block, y, hidden);
  });
}

absl::Status DecoderLayer::ShowInput(int input, const at::Tensor& hidden,
                                     InputObserver* observer) const {
  return CatchTorch("decoder layer", [&] {
    const Block block = BlockOf(input);
    const at::Tensor x = Enter(block, hidden);
    return Show(observer, input, input == InputsOf(block).front() ? x : Mix(block, x));
  });
}

absl::StatusOr<at::Tensor> Stage::Logits(const at::Tensor& hidden) const {
  ASSIGN_OR_RETURN(const at::Tensor x, FinalHidden(hidden));
  return CatchTorch("output head",
                    [&]() -> absl::StatusOr<at::Tensor> { return at::linear(x, head()); });
}

}  // namespace rondo
