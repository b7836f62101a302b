#include "worker/train/head_loss.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/model/catch_torch.h"
#include "worker/train/train_kernels.h"

namespace rondo {
namespace {

// Tokens whose logits exist at one time.
constexpr int64_t kTokenChunk = 256;

class HiddenStateLoss final : public TokenLoss {
 public:
  HiddenStateLoss(const TeacherCache* cache, at::Tensor head, double temperature)
      : cache_(cache), head_(std::move(head)), temperature_(temperature) {}

  absl::StatusOr<double> Apply(int64_t window, int64_t first, at::Tensor* logits) override {
    const at::Tensor hidden = cache_->Window(window).narrow(0, first, logits->size(0));
    return DistillRows(at::linear(hidden.to(head_.options()), head_), *logits, temperature_);
  }

 private:
  const TeacherCache* cache_;
  at::Tensor head_;
  double temperature_;
};

class TopKLoss final : public TokenLoss {
 public:
  TopKLoss(const TeacherCache* cache, double temperature)
      : cache_(cache), temperature_(temperature) {}

  absl::StatusOr<double> Apply(int64_t window, int64_t first, at::Tensor* logits) override {
    const int64_t count = logits->size(0);
    const TopK all = cache_->TopKOf(window);
    const auto part = [&](const at::Tensor& t) {
      return t.narrow(0, first, count).to(logits->device());
    };
    const TopK rows = {part(all.ids), part(all.log_prob), part(all.tail)};
    at::Tensor gradient;
    const double loss = TopKDivergence(*logits, rows, temperature_, &gradient);
    logits->copy_(gradient);
    return loss;
  }

 private:
  const TeacherCache* cache_;
  double temperature_;
};

class LanguageModelLoss final : public TokenLoss {
 public:
  explicit LanguageModelLoss(at::Tensor tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<double> Apply(int64_t window, int64_t first, at::Tensor* logits) override {
    // The last token of a window has nothing to predict.
    const int64_t count = std::min(logits->size(0), tokens_.size(1) - 1 - first);
    const at::Tensor targets = tokens_[window].narrow(0, first + 1, count).unsqueeze(1);
    const at::Tensor log_q = at::log_softmax(logits->narrow(0, 0, count), 1, at::kFloat);
    const double loss = -log_q.gather(1, targets).sum(at::kDouble).item<double>();
    at::Tensor gradient = log_q.exp();
    gradient.scatter_add_(1, targets, at::full_like(targets, -1, gradient.options()));
    logits->zero_();
    logits->narrow(0, 0, count).copy_(gradient);
    return loss;
  }

 private:
  at::Tensor tokens_;  // [windows, seq]
};

// The gradient with respect to the final hidden states [seq, width].
absl::StatusOr<double> AddChunks(const at::Tensor& head, TokenLoss* loss, int64_t window,
                                 const at::Tensor& states, double gradient_scale,
                                 const at::Tensor& gradient) {
  const at::NoGradGuard no_grad;
  double total = 0;
  for (int64_t first = 0; first < states.size(0); first += kTokenChunk) {
    const int64_t count = std::min(kTokenChunk, states.size(0) - first);
    at::Tensor logits = at::linear(states.narrow(0, first, count).to(head.scalar_type()), head);
    ASSIGN_OR_RETURN(const double part, loss->Apply(window, first, &logits));
    total += part;
    if (!gradient.defined()) continue;
    gradient.narrow(0, first, count).copy_(at::mm(logits, head)).mul_(gradient_scale);
  }
  return total;
}

}  // namespace

std::unique_ptr<TokenLoss> DistillHiddenStates(const TeacherCache* cache, at::Tensor teacher_head,
                                               double temperature) {
  return std::make_unique<HiddenStateLoss>(cache, std::move(teacher_head), temperature);
}

std::unique_ptr<TokenLoss> DistillTopK(const TeacherCache* cache, double temperature) {
  return std::make_unique<TopKLoss>(cache, temperature);
}

std::unique_ptr<TokenLoss> LanguageModel(at::Tensor tokens) {
  return std::make_unique<LanguageModelLoss>(std::move(tokens));
}

absl::StatusOr<HeadResult> RunHead(const Stage& stage, const at::Tensor& head, TokenLoss* loss,
                                   int64_t window, const at::Tensor& hidden,
                                   double gradient_scale) {
  return CatchTorch("loss at the output head", [&]() -> absl::StatusOr<HeadResult> {
    HeadResult result;
    const at::AutoGradMode record(gradient_scale != 0);
    at::Tensor x = hidden.detach();
    if (gradient_scale != 0) x.requires_grad_(true);
    ASSIGN_OR_RETURN(const at::Tensor normed, stage.FinalHidden(x));
    const at::Tensor states = normed.detach().squeeze(0);
    at::Tensor gradient;
    if (gradient_scale != 0) gradient = at::empty_like(states);
    ASSIGN_OR_RETURN(result.loss, AddChunks(head, loss, window, states, gradient_scale, gradient));
    if (gradient_scale == 0) return result;
    torch::autograd::backward({normed}, {gradient.view(normed.sizes())});
    result.gradient = x.grad();
    return result;
  });
}

}  // namespace rondo
