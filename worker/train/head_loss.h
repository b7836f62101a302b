// The loss at the model's output, in chunks of tokens: the logits of a chunk are formed, used and
// dropped (docs/algorithms.md 5.3, 5.5). Thread-compatible.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/model/decoder.h"
#include "worker/train/teacher_cache.h"

namespace rondo {

// A sum over tokens.
class TokenLoss {
 public:
  virtual ~TokenLoss() = default;
  // logits: [count, vocab] of the tokens from `first` of `window`, in the training dtype;
  // overwritten by the gradient.
  virtual absl::StatusOr<double> Apply(int64_t window, int64_t first, at::Tensor* logits) = 0;
};

// T^2 KL(teacher || student) at temperature T, exact: the teacher's logits are formed again from
// its cached final hidden states. teacher_head: [vocab, width], in the dtype of the products.
std::unique_ptr<TokenLoss> DistillHiddenStates(const TeacherCache* cache, at::Tensor teacher_head,
                                               double temperature);
// The same with what the cache keeps of the teacher's distribution: k tokens and one bucket.
std::unique_ptr<TokenLoss> DistillTopK(const TeacherCache* cache, double temperature);
// Cross entropy of the next token. tokens: [windows, seq] int64.
std::unique_ptr<TokenLoss> LanguageModel(at::Tensor tokens);

struct HeadResult {
  double loss = 0;
  at::Tensor gradient;  // with respect to `hidden`; undefined when not asked for
};

// hidden: [1, seq, hidden] float32, the last layer's output for `window`. head: stage.head() in the
// dtype of the products. The gradient is that of loss * gradient_scale; scale 0: the loss alone.
absl::StatusOr<HeadResult> RunHead(const Stage& stage, const at::Tensor& head, TokenLoss* loss,
                                   int64_t window, const at::Tensor& hidden, double gradient_scale);

}  // namespace rondo
