// The graph of LLaMA for the families that share it.
#pragma once

#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

#include "worker/model/decoder.h"
#include "worker/model/weights.h"

namespace rondo {

// Weights of RMS norms over each head of a layer's queries and keys, [head_dim]; undefined: none.
struct HeadNorms {
  at::Tensor q, k;
};

using ReadHeadNorms = std::function<absl::StatusOr<HeadNorms>(int64_t layer)>;

absl::StatusOr<std::unique_ptr<Stage>> MakeLlamaLikeStage(const WeightReader& weights,
                                                          const ModelConfig& config,
                                                          const StageRange& range,
                                                          const ReadHeadNorms& read_head_norms);

}  // namespace rondo
