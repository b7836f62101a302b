#include "common/domain/model_config.h"

#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rondo {
namespace {

ModelLayout LlamaLayout(const ModelConfig& c) {
  const int64_t q = c.num_heads * c.head_dim;
  const int64_t kv = c.num_kv_heads * c.head_dim;
  ModelLayout layout;
  layout.layer_prefix = "model.layers.";
  layout.linears = {
      {"self_attn.q_proj", q, c.hidden_size, c.attention_bias, 0},
      {"self_attn.k_proj", kv, c.hidden_size, c.attention_bias, 0},
      {"self_attn.v_proj", kv, c.hidden_size, c.attention_bias, 0},
      {"self_attn.o_proj", c.hidden_size, q, c.attention_bias, 1},
      {"mlp.gate_proj", c.intermediate_size, c.hidden_size, c.mlp_bias, 2},
      {"mlp.up_proj", c.intermediate_size, c.hidden_size, c.mlp_bias, 2},
      {"mlp.down_proj", c.hidden_size, c.intermediate_size, c.mlp_bias, 3},
  };
  layout.layer_others = {{"input_layernorm.weight", {c.hidden_size}},
                         {"post_attention_layernorm.weight", {c.hidden_size}}};
  layout.embedding = {{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}}};
  layout.head = {{"model.norm.weight", {c.hidden_size}}};
  if (!c.tie_word_embeddings) {
    layout.head.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  }
  return layout;
}

// LLaMA's, and a norm of each head of the queries and keys.
ModelLayout Qwen3Layout(const ModelConfig& c) {
  ModelLayout layout = LlamaLayout(c);
  layout.layer_others.push_back({"self_attn.q_norm.weight", {c.head_dim}});
  layout.layer_others.push_back({"self_attn.k_norm.weight", {c.head_dim}});
  return layout;
}

ModelLayout OptLayout(const ModelConfig& c) {
  const int64_t hidden = c.hidden_size, ffn = c.intermediate_size;
  const bool projected = c.embedding_dim != hidden;
  ModelLayout layout;
  layout.layer_prefix = "model.decoder.layers.";
  layout.linears = {
      {"self_attn.q_proj", hidden, hidden, c.attention_bias, 0},
      {"self_attn.k_proj", hidden, hidden, c.attention_bias, 0},
      {"self_attn.v_proj", hidden, hidden, c.attention_bias, 0},
      {"self_attn.out_proj", hidden, hidden, c.attention_bias, 1},
      {"fc1", ffn, hidden, c.mlp_bias, 2},
      {"fc2", hidden, ffn, c.mlp_bias, 3},
  };
  layout.layer_others = {{"self_attn_layer_norm.weight", {hidden}},
                         {"self_attn_layer_norm.bias", {hidden}},
                         {"final_layer_norm.weight", {hidden}},
                         {"final_layer_norm.bias", {hidden}}};
  layout.embedding = {
      {"model.decoder.embed_tokens.weight", {c.vocab_size, c.embedding_dim}},
      {"model.decoder.embed_positions.weight", {c.max_positions + kOptPositionOffset, hidden}}};
  if (projected) {
    layout.embedding.push_back({"model.decoder.project_in.weight", {hidden, c.embedding_dim}});
  }
  if (c.final_norm) {
    layout.head.push_back({"model.decoder.final_layer_norm.weight", {hidden}});
    layout.head.push_back({"model.decoder.final_layer_norm.bias", {hidden}});
  }
  if (projected) {
    layout.head.push_back({"model.decoder.project_out.weight", {c.embedding_dim, hidden}});
  }
  if (!c.tie_word_embeddings) {
    layout.head.push_back({"lm_head.weight", {c.vocab_size, c.embedding_dim}});
  }
  return layout;
}

const std::map<std::string, std::function<ModelLayout(const ModelConfig&)>>& Families() {
  static const auto* families =
      new std::map<std::string, std::function<ModelLayout(const ModelConfig&)>>{
          {"llama", LlamaLayout}, {"opt", OptLayout}, {"qwen3", Qwen3Layout}};
  return *families;
}

}  // namespace

int64_t ModelLayout::LinearWeightsPerLayer() const {
  int64_t total = 0;
  for (const LinearLayout& linear : linears) total += linear.out * linear.in;
  return total;
}

std::string FullName(const ModelLayout& layout, int64_t layer, const std::string& relative) {
  return absl::StrCat(layout.layer_prefix, layer, ".", relative);
}

absl::StatusOr<ModelLayout> LayoutOf(const ModelConfig& config) {
  const auto it = Families().find(config.model_type);
  if (it == Families().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model_type \"", config.model_type, "\" is not supported; supported: ",
                     absl::StrJoin(Families(), ", ", [](std::string* out, const auto& family) {
                       absl::StrAppend(out, family.first);
                     })));
  }
  return it->second(config);
}

}  // namespace rondo
