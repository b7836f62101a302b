// The part of a decoder-only model that one stage holds, and its forward pass. One file a family
// (llama.cc, opt.cc, qwen3.cc); LoadStage chooses by config.model_type.
//
// Ownership: a Stage owns its weights; the checkpoint is read in Load and not kept. Not
// thread-safe. Torch's exceptions end as a Status.
//
// Passes record gradients as torch does: with grad mode on, from what requires one. Weights loaded
// within torch's inference mode cannot take part in that; load such a stage outside it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/model_config.h"
#include "common/format/checkpoint.h"

namespace rondo {

// The halves of a decoder layer. Each is x = Enter(hidden), y = Mix(x), Leave(y, hidden): linears
// multiply x on the way to y and y on the way out, so LinearLayout::input counts x and y of
// attention as 0 and 1, those of the feed-forward block as 2 and 3.
enum class Block { kAttention, kFeedForward };
inline constexpr std::array kBlocks = {Block::kAttention, Block::kFeedForward};
inline std::array<int, 2> InputsOf(Block block) {
  return block == Block::kAttention ? std::array{0, 1} : std::array{2, 3};
}
inline Block BlockOf(int input) { return input < 2 ? Block::kAttention : Block::kFeedForward; }

// Sees the input of the linears of a decoder layer, once per shared input (LinearLayout::input).
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  virtual absl::Status OnInput(int input, const at::Tensor& x) = 0;  // x: [tokens, in]
};

// Multiplies by a weight that is not kept as a matrix, as a student's in training is not.
class LinearProduct {
 public:
  virtual ~LinearProduct() = default;
  // x: [..., in], which may require a gradient -> x weight^T, a new tensor [..., out].
  virtual at::Tensor Multiply(const at::Tensor& x) = 0;
};

// The weight and optional bias (undefined: none) of one linear layer; y = x weight^T + bias.
struct Linear {
  at::Tensor weight;                 // [out, in]
  at::Tensor bias;                   // [out]
  LinearProduct* product = nullptr;  // unless null, in place of weight; outlives its use
};

class DecoderLayer {
 public:
  virtual ~DecoderLayer() = default;
  // hidden: [batch, seq, hidden], positions 0..seq-1 in each sample; returns the same shape.
  // `observer` may be null.
  absl::StatusOr<at::Tensor> Forward(const at::Tensor& hidden, InputObserver* observer) const;
  absl::StatusOr<at::Tensor> ForwardBlock(Block block, const at::Tensor& hidden,
                                          InputObserver* observer) const;
  // Shows the observer that input alone, from the hidden states in front of its block. Of the
  // linears only those that lead to it are used.
  absl::Status ShowInput(int input, const at::Tensor& hidden, InputObserver* observer) const;
  // In the order of ModelLayout::linears. Weights may be replaced by tensors of the same shape,
  // dtype and device.
  std::vector<Linear>& linears() { return linears_; }

 protected:
  // Hidden states as above -> what the block's first linears multiply, [batch, seq, in].
  virtual at::Tensor Enter(Block block, const at::Tensor& hidden) const = 0;
  // -> what the block's last linear multiplies, [batch, seq, in].
  virtual at::Tensor Mix(Block block, const at::Tensor& x) const = 0;
  // -> the hidden states behind the block.
  virtual at::Tensor Leave(Block block, const at::Tensor& y, const at::Tensor& hidden) const = 0;

  std::vector<Linear> linears_;
};

struct StageRange {
  int64_t first_layer = 0;
  int64_t end_layer = 0;
  bool embedding = false;  // this stage turns tokens into hidden states
  bool head = false;       // this stage turns hidden states into logits
  bool linears = true;     // false: weights of the layers' linears are left undefined
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual const std::vector<std::unique_ptr<DecoderLayer>>& layers() const = 0;
  virtual at::ScalarType dtype() const = 0;  // of weights and activations
  // tokens: [batch, seq] int64. REQUIRES: range.embedding.
  virtual absl::StatusOr<at::Tensor> Embed(const at::Tensor& tokens) const = 0;
  // hidden: [..., hidden] after the last layer -> what the head multiplies, [..., in] (final norm,
  // output projection). REQUIRES: range.head.
  virtual absl::StatusOr<at::Tensor> FinalHidden(const at::Tensor& hidden) const = 0;
  // [vocab, in]. REQUIRES: range.head.
  virtual const at::Tensor& head() const = 0;
  // hidden: [..., hidden] after the last layer -> logits [..., vocab]. REQUIRES: range.head.
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& hidden) const;
};

// Loads the range's weights as `dtype` on `device`. INVALID_ARGUMENT names a tensor that is
// missing, misshapen, or holds NaN or Inf.
absl::StatusOr<std::unique_ptr<Stage>> LoadStage(const Checkpoint& checkpoint,
                                                 const ModelConfig& config, const StageRange& range,
                                                 at::ScalarType dtype, at::Device device);

// A copy of one tensor of the checkpoint, converted to `dtype` on `device`. INVALID_ARGUMENT when
// it is missing, not of a float dtype, or holds NaN or Inf (after the conversion).
absl::StatusOr<at::Tensor> LoadTensor(const Checkpoint& checkpoint, const std::string& name,
                                      at::ScalarType dtype, at::Device device);

}  // namespace rondo
