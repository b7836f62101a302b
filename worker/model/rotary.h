// Rotary position embedding (arXiv 2104.09864) in Hugging Face's half-split convention: element i
// of the first half of a head is paired with element i of the second half.
#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "common/domain/model_config.h"

namespace rondo {

// Angular frequencies of one head, [head_dim / 2] float32 on the CPU, with Llama 3.1's scaling as
// transformers computes it.
at::Tensor RotaryFrequencies(int64_t head_dim, double theta,
                             const std::optional<Llama3RopeScaling>& scaling);

// Rotates heads by the angles of positions 0..seq-1; keeps the tables of the last length asked
// for. Not thread-safe.
class Rotary {
 public:
  Rotary(const ModelConfig& config, at::ScalarType dtype, at::Device device);
  // x: [batch, seq, heads * group * head_dim] -> [batch, heads, seq, group, head_dim], contiguous.
  at::Tensor Apply(const at::Tensor& x, int64_t group);

 private:
  void Prepare(int64_t seq);

  int64_t head_dim_;
  at::ScalarType dtype_;
  at::Tensor frequencies_;
  at::Tensor cos_, sin_;  // [seq, 1, head_dim / 2]
};

}  // namespace rondo
