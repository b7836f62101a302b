// A teacher's distribution by its k most probable tokens (docs/algorithms.md 5.5).
#include <algorithm>

#include <ATen/ATen.h>

#include "worker/train/teacher_cache.h"

namespace rondo {
namespace {

// Rows whose probabilities over the whole vocabulary exist at one time.
constexpr int64_t kRowChunk = 256;

}  // namespace

TopK MakeTopK(const at::Tensor& logits, double temperature, int64_t k) {
  const int64_t rows = logits.size(0);
  const at::TensorOptions options = logits.options().dtype(at::kFloat);
  TopK result = {at::empty({rows, k}, options.dtype(at::kInt)), at::empty({rows, k}, options),
                 at::empty({rows}, options)};
  for (int64_t first = 0; first < rows; first += kRowChunk) {
    const int64_t count = std::min(kRowChunk, rows - first);
    const at::Tensor scaled = logits.narrow(0, first, count).to(at::kFloat).div(temperature);
    const at::Tensor log_p = at::log_softmax(scaled, 1);
    const auto [kept, ids] = log_p.topk(k, 1);
    result.ids.narrow(0, first, count).copy_(ids);
    result.log_prob.narrow(0, first, count).copy_(kept);
    at::Tensor rest = log_p.exp().scatter_(1, ids, 0);
    result.tail.narrow(0, first, count).copy_(rest.sum(1));
  }
  return result;
}

double TopKDivergence(const at::Tensor& student_logits, const TopK& teacher, double temperature,
                      at::Tensor* gradient) {
  const at::Tensor ids = teacher.ids.to(at::kLong);
  const at::Tensor p = teacher.log_prob.exp();
  const at::Tensor log_q = at::log_softmax(student_logits.to(at::kFloat).div(temperature), 1);
  at::Tensor g = log_q.exp();
  const at::Tensor kept_q = g.gather(1, ids);
  g.scatter_(1, ids, 0);
  // An empty tail has no mass on either side.
  const at::Tensor ratio = teacher.tail.div(g.sum(1).clamp_min_(1e-38));
  g.mul_(at::rsub(ratio, 1).unsqueeze(1)).scatter_(1, ids, kept_q.sub(p));
  *gradient = g.mul_(temperature);
  const at::Tensor kept = p.mul(teacher.log_prob.sub(log_q.gather(1, ids)));
  const at::Tensor losses = kept.sum(1, false, at::kDouble).add_(at::xlogy(teacher.tail, ratio));
  return temperature * temperature * losses.sum().item<double>();
}

}  // namespace rondo
