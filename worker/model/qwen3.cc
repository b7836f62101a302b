// Qwen3 (arXiv 2505.09388): LLaMA with a norm of every head of the queries and keys before they are
// rotated, and heads of a size of their own. Follows Hugging Face's modeling_qwen3.py.
#include "worker/model/families.h"
#include "worker/model/llama.h"

namespace rondo {

absl::StatusOr<std::unique_ptr<Stage>> MakeQwen3Stage(const WeightReader& weights,
                                                      const ModelConfig& config,
                                                      const StageRange& range) {
  const auto read_head_norms = [&weights](int64_t layer) -> absl::StatusOr<HeadNorms> {
    HeadNorms norms;
    ASSIGN_OR_RETURN(norms.q, weights.ReadOther(layer, "self_attn.q_norm.weight"));
    ASSIGN_OR_RETURN(norms.k, weights.ReadOther(layer, "self_attn.k_norm.weight"));
    return norms;
  };
  return MakeLlamaLikeStage(weights, config, range, read_head_norms);
}

}  // namespace rondo
