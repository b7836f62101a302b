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

const std::map<std::string, std::function<ModelLayout(const ModelConfig&)>>& Families() {
  static const auto* families =
      new std::map<std::string, std::function<ModelLayout(const ModelConfig&)>>{
          {"llama", LlamaLayout}};
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
