#include "worker/model/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "worker/model/autograd.h"

namespace rondo {
namespace {

// Positions that are scored together on the CPU: scores stay in cache, and the part of the square
// that is computed in vain is small. Two thirds of the time of torch's fused CPU kernel for 512
// tokens and heads of 64 in float32, half of it in bfloat16.
constexpr int64_t kPositions = 64;

// Key and value heads count as samples, so that their queries share them without a copy.
class OnCpu {
 public:
  OnCpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v)
      : samples_(q.size(0) * q.size(1)),
        seq_(q.size(2)),
        group_(q.size(3)),
        dim_(q.size(4)),
        scale_(1 / std::sqrt(static_cast<double>(dim_))),
        queries_(q.view({samples_, seq_ * group_, dim_}).mul(scale_)),
        keys_(k.reshape({samples_, seq_, dim_})),
        values_(v.reshape({samples_, seq_, dim_})),
        future_(at::ones({kPositions, kPositions}, q.options().dtype(at::kBool))
                    .triu_(1)
                    .unsqueeze(1)) {}

  // [samples, seq * group, dim]
  at::Tensor Forward() const {
    at::Tensor out = at::empty_like(queries_);
    for (int64_t begin = 0; begin < seq_; begin += kPositions) {
      const int64_t end = std::min(begin + kPositions, seq_);
      at::Tensor mixed = Rows(out, begin, end);
      at::bmm_out(mixed, Weights(begin, end), values_.narrow(1, 0, end));
    }
    return out;
  }

  // out: as Forward gives it. Weights are computed again, which is cheaper than to keep them. Sums
  // over blocks of positions are float32.
  AttentionGradients Backward(const at::Tensor& out) const {
    AttentionGradients in = {at::empty_like(queries_),
                             at::zeros(keys_.sizes(), keys_.options().dtype(at::kFloat)),
                             at::zeros(values_.sizes(), values_.options().dtype(at::kFloat))};
    for (int64_t begin = 0; begin < seq_; begin += kPositions) {
      const int64_t end = std::min(begin + kPositions, seq_);
      const at::Tensor weights = Weights(begin, end), mixed = Rows(out, begin, end);
      in.v.narrow(1, 0, end).add_(at::bmm(weights.transpose(1, 2), mixed));
      const at::Tensor scores =
          at::_softmax_backward_data(at::bmm(mixed, values_.narrow(1, 0, end).transpose(1, 2)),
                                     weights, -1, weights.scalar_type());
      at::Tensor queries = Rows(in.q, begin, end);
      at::bmm_out(queries, scores, keys_.narrow(1, 0, end));
      in.k.narrow(1, 0, end).add_(at::bmm(scores.transpose(1, 2), Rows(queries_, begin, end)));
    }
    in.q.mul_(scale_);
    return in;
  }

 private:
  at::Tensor Rows(const at::Tensor& t, int64_t begin, int64_t end) const {
    return t.narrow(1, begin * group_, (end - begin) * group_);
  }

  // Of positions [begin, end) on positions [0, end): [samples, (end - begin) * group, end].
  at::Tensor Weights(int64_t begin, int64_t end) const {
    const int64_t count = end - begin;
    const at::Tensor scores =
        at::bmm(Rows(queries_, begin, end), keys_.narrow(1, 0, end).transpose(1, 2));
    scores.view({samples_, count, group_, end})
        .narrow(3, begin, count)
        .masked_fill_(future_.narrow(0, 0, count).narrow(2, 0, count),
                      -std::numeric_limits<float>::infinity());
    return at::softmax(scores, -1);
  }

  const int64_t samples_, seq_, group_, dim_;
  const double scale_;
  const at::Tensor queries_, keys_, values_, future_;
};

at::Tensor Fused(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t samples = q.size(0) * q.size(1), seq = q.size(2), group = q.size(3);
  const int64_t dim = q.size(4);
  const auto shared = [&](const at::Tensor& heads) {
    return heads.reshape({samples, 1, seq, dim}).expand({samples, group, seq, dim});
  };
  return at::scaled_dot_product_attention(q.view({samples, seq, group, dim}).transpose(1, 2),
                                          shared(k), shared(v), {}, 0.0, /*is_causal=*/true)
      .transpose(1, 2)
      .reshape(q.sizes());
}

}  // namespace

at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (q.is_cpu() && (Records(q) || Records(k) || Records(v))) return RecordedAttention(q, k, v);
  const at::Tensor mixed = q.is_cpu() ? OnCpu(q, k, v).Forward().view(q.sizes()) : Fused(q, k, v);
  return mixed.transpose(1, 2).reshape({q.size(0), q.size(2), q.size(1) * q.size(3) * q.size(4)});
}

AttentionGradients CausalAttentionBackward(const at::Tensor& out, const at::Tensor& q,
                                           const at::Tensor& k, const at::Tensor& v) {
  const int64_t batch = q.size(0), heads = q.size(1), seq = q.size(2),
                width = q.size(3) * q.size(4);
  const at::Tensor heads_first = out.reshape({batch, seq, heads, width}).transpose(1, 2);
  const AttentionGradients in =
      OnCpu(q, k, v).Backward(heads_first.reshape({batch * heads, seq * q.size(3), q.size(4)}));
  return {in.q.view(q.sizes()), in.k.to(k.scalar_type()).view(k.sizes()),
          in.v.to(v.scalar_type()).view(v.sizes())};
}

}  // namespace rondo
