// Causal attention with grouped queries: `group` query heads share one key and value head.
#pragma once

#include <ATen/core/Tensor.h>

namespace rondo {

// q: [batch, kv_heads, seq, group, dim], contiguous; k, v: [batch, kv_heads, seq, dim].
// Returns [batch, seq, kv_heads * group * dim]. Scores are scaled by 1 / sqrt(dim).
at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

struct AttentionGradients {
  at::Tensor q, k, v;
};
// From the gradient of what CausalAttention returns. On the CPU; elsewhere torch's own attention
// records itself.
AttentionGradients CausalAttentionBackward(const at::Tensor& out, const at::Tensor& q,
                                           const at::Tensor& k, const at::Tensor& v);

}  // namespace rondo
