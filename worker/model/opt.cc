// OPT (arXiv 2205.01068): learned positions, layer norms before attention and MLP (or, in the 350M
// model, after the sums), ReLU, and embeddings that may be narrower than the hidden states. Follows
// Hugging Face's modeling_opt.py.
#include <utility>

#include <ATen/ATen.h>

#include "worker/model/attention.h"
#include "worker/model/catch_torch.h"
#include "worker/model/families.h"
#include "worker/model/linear.h"

namespace rondo {
namespace {

// Places in ModelLayout::linears.
enum LinearIndex { kQ, kK, kV, kOut, kFc1, kFc2 };

// config.json does not say it; it is torch's default.
constexpr double kEps = 1e-5;

struct Norm {
  at::Tensor weight, bias;  // [hidden]
  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, {x.size(-1)}, weight, bias, kEps);
  }
};

class OptLayer final : public DecoderLayer {
 public:
  OptLayer(const ModelConfig& config, std::vector<Linear> linears, Norm attention_norm,
           Norm mlp_norm)
      : config_(config),
        attention_norm_(std::move(attention_norm)),
        mlp_norm_(std::move(mlp_norm)) {
    linears_ = std::move(linears);
  }

 private:
  at::Tensor Enter(Block block, const at::Tensor& hidden) const override {
    return config_.norm_before ? NormOf(block)(hidden) : hidden;
  }

  at::Tensor Mix(Block block, const at::Tensor& x) const override {
    if (block == Block::kFeedForward) return ApplyLinear(linears_[kFc1], x).relu_();
    return CausalAttention(Heads(kQ, x).unsqueeze(3).contiguous(), Heads(kK, x), Heads(kV, x));
  }

  at::Tensor Leave(Block block, const at::Tensor& y, const at::Tensor& hidden) const override {
    const LinearIndex linear = block == Block::kAttention ? kOut : kFc2;
    const at::Tensor sum = ApplyLinear(linears_[linear], y).add_(hidden);
    return config_.norm_before ? sum : NormOf(block)(sum);
  }

  const Norm& NormOf(Block block) const {
    return block == Block::kAttention ? attention_norm_ : mlp_norm_;
  }

  // [batch, heads, seq, head_dim]
  at::Tensor Heads(LinearIndex linear, const at::Tensor& x) const {
    return ApplyLinear(linears_[linear], x)
        .unflatten(2, {config_.num_heads, config_.head_dim})
        .transpose(1, 2);
  }

  const ModelConfig config_;
  const Norm attention_norm_, mlp_norm_;
};

class OptStage final : public Stage {
 public:
  OptStage(int64_t max_positions, at::ScalarType dtype)
      : max_positions_(max_positions), dtype_(dtype) {}

  const std::vector<std::unique_ptr<DecoderLayer>>& layers() const override { return layers_; }
  at::ScalarType dtype() const override { return dtype_; }

  absl::StatusOr<at::Tensor> Embed(const at::Tensor& tokens) const override {
    return CatchTorch("embedding", [&]() -> absl::StatusOr<at::Tensor> {
      const int64_t seq = tokens.size(1);
      if (seq > max_positions_) {
        return absl::InvalidArgumentError(absl::StrCat("a window of ", seq,
                                                       " tokens is longer than the model's ",
                                                       max_positions_, " positions"));
      }
      at::Tensor x = at::embedding(tokens_, tokens.to(tokens_.device()));
      if (project_in_.defined()) x = at::linear(x, project_in_);
      return x.add(positions_.narrow(0, kOptPositionOffset, seq));
    });
  }

  absl::StatusOr<at::Tensor> FinalHidden(const at::Tensor& hidden) const override {
    return CatchTorch("final norm", [&]() -> absl::StatusOr<at::Tensor> {
      const at::Tensor x = norm_.weight.defined() ? norm_(hidden) : hidden;
      return project_out_.defined() ? at::linear(x, project_out_) : x;
    });
  }
  const at::Tensor& head() const override { return head_; }

  absl::Status LoadEnds(const WeightReader& weights, const ModelConfig& config,
                        const StageRange& range) {
    const bool tied = config.tie_word_embeddings;
    if (range.embedding || (range.head && tied)) {
      ASSIGN_OR_RETURN(tokens_, weights.ReadEnd("model.decoder.embed_tokens.weight"));
    }
    if (range.embedding) {
      ASSIGN_OR_RETURN(positions_, weights.ReadEnd("model.decoder.embed_positions.weight"));
      ASSIGN_OR_RETURN(project_in_, weights.ReadEnd("model.decoder.project_in.weight"));
    }
    if (!range.head) return absl::OkStatus();
    ASSIGN_OR_RETURN(norm_.weight, weights.ReadEnd("model.decoder.final_layer_norm.weight"));
    ASSIGN_OR_RETURN(norm_.bias, weights.ReadEnd("model.decoder.final_layer_norm.bias"));
    ASSIGN_OR_RETURN(project_out_, weights.ReadEnd("model.decoder.project_out.weight"));
    ASSIGN_OR_RETURN(head_, tied ? tokens_ : weights.ReadEnd("lm_head.weight"));
    return absl::OkStatus();
  }

  absl::Status LoadLayer(const WeightReader& weights, const ModelConfig& config, int64_t index,
                         bool with_linears) {
    ASSIGN_OR_RETURN(std::vector<Linear> linears, weights.ReadLinears(index, with_linears));
    ASSIGN_OR_RETURN(Norm attention_norm, ReadNorm(weights, index, "self_attn_layer_norm"));
    ASSIGN_OR_RETURN(Norm mlp_norm, ReadNorm(weights, index, "final_layer_norm"));
    layers_.push_back(std::make_unique<OptLayer>(config, std::move(linears),
                                                 std::move(attention_norm), std::move(mlp_norm)));
    return absl::OkStatus();
  }

 private:
  static absl::StatusOr<Norm> ReadNorm(const WeightReader& weights, int64_t layer,
                                       const std::string& name) {
    Norm norm;
    ASSIGN_OR_RETURN(norm.weight, weights.ReadOther(layer, name + ".weight"));
    ASSIGN_OR_RETURN(norm.bias, weights.ReadOther(layer, name + ".bias"));
    return norm;
  }

  const int64_t max_positions_;
  const at::ScalarType dtype_;
  std::vector<std::unique_ptr<DecoderLayer>> layers_;
  at::Tensor tokens_, positions_, project_in_, project_out_, head_;  // undefined: none
  Norm norm_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Stage>> MakeOptStage(const WeightReader& weights,
                                                    const ModelConfig& config,
                                                    const StageRange& range) {
  auto stage = std::make_unique<OptStage>(config.max_positions, weights.dtype());
  RETURN_IF_ERROR(stage->LoadEnds(weights, config, range));
  for (int64_t layer = range.first_layer; layer < range.end_layer; ++layer) {
    RETURN_IF_ERROR(stage->LoadLayer(weights, config, layer, range.linears));
  }
  return stage;
}

}  // namespace rondo
