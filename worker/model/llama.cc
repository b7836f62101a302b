// LLaMA (arXiv 2302.13971) and what shares its graph: RMSNorm, rotary positions, grouped-query
// attention, SwiGLU. Follows Hugging Face's modeling_llama.py.
#include <utility>

#include <ATen/ATen.h>

#include "worker/model/attention.h"
#include "worker/model/catch_torch.h"
#include "worker/model/elementwise.h"
#include "worker/model/families.h"
#include "worker/model/linear.h"
#include "worker/model/llama.h"
#include "worker/model/rotary.h"

namespace rondo {
namespace {

// Places in ModelLayout::linears.
enum LinearIndex { kQ, kK, kV, kO, kGate, kUp, kDown };

class LlamaLayer final : public DecoderLayer {
 public:
  LlamaLayer(const ModelConfig& config, std::shared_ptr<Rotary> rotary, std::vector<Linear> linears,
             at::Tensor input_norm, at::Tensor mlp_norm, HeadNorms head_norms)
      : config_(config),
        rotary_(std::move(rotary)),
        input_norm_(std::move(input_norm)),
        mlp_norm_(std::move(mlp_norm)),
        head_norms_(std::move(head_norms)) {
    linears_ = std::move(linears);
  }

 private:
  at::Tensor Enter(Block block, const at::Tensor& hidden) const override {
    const bool attention = block == Block::kAttention;
    return RmsNorm(hidden, attention ? input_norm_ : mlp_norm_, config_.rms_norm_eps);
  }

  at::Tensor Mix(Block block, const at::Tensor& x) const override {
    if (block == Block::kFeedForward) {
      return SiluMul(ApplyLinear(linears_[kGate], x), ApplyLinear(linears_[kUp], x));
    }
    return Attention(ApplyLinear(linears_[kQ], x), ApplyLinear(linears_[kK], x),
                     ApplyLinear(linears_[kV], x));
  }

  at::Tensor Leave(Block block, const at::Tensor& y, const at::Tensor& hidden) const override {
    return ApplyLinear(linears_[block == Block::kAttention ? kO : kDown], y).add_(hidden);
  }

  // q, k, v: [batch, seq, heads * head_dim] -> [batch, seq, heads * head_dim].
  at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const {
    const int64_t kv = config_.num_kv_heads;
    return CausalAttention(rotary_->Apply(NormHeads(q, head_norms_.q), config_.num_heads / kv),
                           rotary_->Apply(NormHeads(k, head_norms_.k), 1).squeeze(3),
                           v.reshape({v.size(0), v.size(1), kv, config_.head_dim}).transpose(1, 2));
  }

  // x: [batch, seq, heads * head_dim], as is what it returns.
  at::Tensor NormHeads(const at::Tensor& x, const at::Tensor& norm) const {
    if (!norm.defined()) return x;
    return RmsNorm(x.unflatten(2, {-1, config_.head_dim}), norm, config_.rms_norm_eps).flatten(2);
  }

  const ModelConfig config_;
  const std::shared_ptr<Rotary> rotary_;
  const at::Tensor input_norm_, mlp_norm_;
  const HeadNorms head_norms_;
};

class LlamaStage final : public Stage {
 public:
  LlamaStage(double eps, at::ScalarType dtype) : eps_(eps), dtype_(dtype) {}

  const std::vector<std::unique_ptr<DecoderLayer>>& layers() const override { return layers_; }
  at::ScalarType dtype() const override { return dtype_; }

  absl::StatusOr<at::Tensor> Embed(const at::Tensor& tokens) const override {
    return CatchTorch("embedding", [&]() -> absl::StatusOr<at::Tensor> {
      return at::embedding(embedding_, tokens.to(embedding_.device()));
    });
  }

  absl::StatusOr<at::Tensor> FinalHidden(const at::Tensor& hidden) const override {
    return CatchTorch("final norm",
                      [&]() -> absl::StatusOr<at::Tensor> { return RmsNorm(hidden, norm_, eps_); });
  }
  const at::Tensor& head() const override { return head_; }

  absl::Status LoadEnds(const WeightReader& weights, const ModelConfig& config,
                        const StageRange& range) {
    const bool tied = config.tie_word_embeddings;
    if (range.embedding || (range.head && tied)) {
      ASSIGN_OR_RETURN(embedding_, weights.ReadEnd("model.embed_tokens.weight"));
    }
    if (!range.head) return absl::OkStatus();
    ASSIGN_OR_RETURN(norm_, weights.ReadEnd("model.norm.weight"));
    ASSIGN_OR_RETURN(head_, tied ? embedding_ : weights.ReadEnd("lm_head.weight"));
    return absl::OkStatus();
  }

  absl::Status LoadLayer(const WeightReader& weights, const ModelConfig& config, int64_t index,
                         bool with_linears, std::shared_ptr<Rotary> rotary, HeadNorms head_norms) {
    ASSIGN_OR_RETURN(std::vector<Linear> linears, weights.ReadLinears(index, with_linears));
    ASSIGN_OR_RETURN(at::Tensor input_norm, weights.ReadOther(index, "input_layernorm.weight"));
    ASSIGN_OR_RETURN(at::Tensor mlp_norm,
                     weights.ReadOther(index, "post_attention_layernorm.weight"));
    layers_.push_back(std::make_unique<LlamaLayer>(config, std::move(rotary), std::move(linears),
                                                   std::move(input_norm), std::move(mlp_norm),
                                                   std::move(head_norms)));
    return absl::OkStatus();
  }

 private:
  const double eps_;
  const at::ScalarType dtype_;
  std::vector<std::unique_ptr<DecoderLayer>> layers_;
  at::Tensor embedding_, norm_, head_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Stage>> MakeLlamaLikeStage(const WeightReader& weights,
                                                          const ModelConfig& config,
                                                          const StageRange& range,
                                                          const ReadHeadNorms& read_head_norms) {
  auto stage = std::make_unique<LlamaStage>(config.rms_norm_eps, weights.dtype());
  RETURN_IF_ERROR(stage->LoadEnds(weights, config, range));
  const auto rotary = std::make_shared<Rotary>(config, weights.dtype(), weights.device());
  for (int64_t layer = range.first_layer; layer < range.end_layer; ++layer) {
    ASSIGN_OR_RETURN(HeadNorms head_norms, read_head_norms(layer));
    RETURN_IF_ERROR(
        stage->LoadLayer(weights, config, layer, range.linears, rotary, std::move(head_norms)));
  }
  return stage;
}

absl::StatusOr<std::unique_ptr<Stage>> MakeLlamaStage(const WeightReader& weights,
                                                      const ModelConfig& config,
                                                      const StageRange& range) {
  return MakeLlamaLikeStage(weights, config, range, [](int64_t) { return HeadNorms{}; });
}

}  // namespace rondo
