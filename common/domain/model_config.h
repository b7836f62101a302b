// What config.json says of a decoder-only model, and the layout of its checkpoint: which tensors
// of which shape, and which linear layers are quantized. Pure values; no files, no torch, so the
// coordinator plans and checks with the same table that the workers load by.
//
// How a new family is added: docs/families.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

// RoPE frequency scaling "llama3" (Llama 3.1): https://arxiv.org/abs/2407.21783, as in
// Hugging Face's rope_scaling of rope_type "llama3".
struct Llama3RopeScaling {
  double factor = 8.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 8192;
};

struct ModelConfig {
  std::string model_type;  // "llama", "opt", "qwen3"
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  std::optional<Llama3RopeScaling> rope_scaling;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = false;
  std::string hidden_act = "silu";
  // OPT alone:
  int64_t embedding_dim = 0;  // of a token's embedding and of the head's input; projections lead
                              // from and to hidden_size where that is another
  bool norm_before = true;    // layer norms stand before attention and MLP, not after the sums
  bool final_norm = true;     // a layer norm follows the last layer
};

// Rows of OPT's table of positions that stand before position 0.
inline constexpr int64_t kOptPositionOffset = 2;

struct TensorLayout {
  std::string name;  // full name in the checkpoint, or relative to the decoder layer
  std::vector<int64_t> shape;
};

// One linear layer of a decoder layer, weight [out, in].
struct LinearLayout {
  std::string name;  // relative to the decoder layer: "self_attn.q_proj"
  int64_t out = 0;
  int64_t in = 0;
  bool bias = false;
  int input = 0;  // linears of one decoder layer with the same number share one input (and Hessian)
};

struct ModelLayout {
  std::string layer_prefix;                // "model.layers." ; then the index and "."
  std::vector<LinearLayout> linears;       // of every decoder layer, in order of execution
  std::vector<TensorLayout> layer_others;  // of every decoder layer, names relative to it
  std::vector<TensorLayout> embedding;     // what the first stage holds besides its layers (tokens'
                                           // embedding first)
  std::vector<TensorLayout> head;  // what the last stage holds besides its layers (lm_head last);
                                   // a tied head is not listed: the last stage reads the embedding

  int64_t LinearWeightsPerLayer() const;
};

// "model.layers.3.self_attn.q_proj"
std::string FullName(const ModelLayout& layout, int64_t layer, const std::string& relative);

// INVALID_ARGUMENT for a model_type that is not supported, naming those that are.
absl::StatusOr<ModelLayout> LayoutOf(const ModelConfig& config);

}  // namespace rondo
