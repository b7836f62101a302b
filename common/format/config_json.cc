#include <functional>
#include <map>

#include "common/format/checkpoint.h"
#include "common/format/json.h"
#include "common/format/json_fields.h"

namespace rondo {
namespace {

using nlohmann::json;

// Of every family, whatever it calls the width of its MLP.
absl::Status ReadSizes(const JsonFields& fields, const std::string& intermediate_size,
                       ModelConfig* config) {
  RETURN_IF_ERROR(fields.PositiveInt("hidden_size", &config->hidden_size));
  RETURN_IF_ERROR(fields.PositiveInt(intermediate_size, &config->intermediate_size));
  RETURN_IF_ERROR(fields.PositiveInt("num_hidden_layers", &config->num_layers));
  RETURN_IF_ERROR(fields.PositiveInt("num_attention_heads", &config->num_heads));
  RETURN_IF_ERROR(fields.PositiveInt("vocab_size", &config->vocab_size));
  return fields.PositiveInt("max_position_embeddings", &config->max_positions);
}

absl::Status CheckMultiple(const JsonFields& fields, const std::string& name, int64_t value,
                           const std::string& of_name, int64_t of) {
  if (value % of == 0) return absl::OkStatus();
  return fields.Invalid(
      absl::StrCat("\"", name, "\" ", value, " is not a multiple of \"", of_name, "\" ", of));
}

absl::Status ReadActivation(const JsonFields& fields, const std::string& name,
                            const std::string& supported, ModelConfig* config) {
  config->hidden_act = supported;
  RETURN_IF_ERROR(fields.OptionalString(name, &config->hidden_act));
  if (config->hidden_act == supported) return absl::OkStatus();
  return fields.Invalid(
      absl::StrCat(name, " \"", config->hidden_act, "\" is not supported; supported: ", supported));
}

absl::Status ReadHeads(const JsonFields& fields, ModelConfig* config) {
  RETURN_IF_ERROR(
      fields.PositiveIntOr("num_key_value_heads", config->num_heads, &config->num_kv_heads));
  RETURN_IF_ERROR(CheckMultiple(fields, "num_attention_heads", config->num_heads,
                                "num_key_value_heads", config->num_kv_heads));
  if (fields.Get("head_dim") == nullptr) {
    RETURN_IF_ERROR(CheckMultiple(fields, "hidden_size", config->hidden_size, "num_attention_heads",
                                  config->num_heads));
  }
  RETURN_IF_ERROR(
      fields.PositiveIntOr("head_dim", config->hidden_size / config->num_heads, &config->head_dim));
  if (config->head_dim % 2 == 0) return absl::OkStatus();
  return fields.Invalid(absl::StrCat("the head dimension ", config->head_dim,
                                     " is odd; rotary positions need an even one"));
}

absl::Status ReadLlama3Scaling(const JsonFields& fields, Llama3RopeScaling* scaling) {
  RETURN_IF_ERROR(fields.PositiveNumber("factor", &scaling->factor));
  RETURN_IF_ERROR(fields.PositiveNumber("low_freq_factor", &scaling->low_freq_factor));
  RETURN_IF_ERROR(fields.PositiveNumber("high_freq_factor", &scaling->high_freq_factor));
  if (scaling->high_freq_factor <= scaling->low_freq_factor) {
    return fields.Wrong("high_freq_factor",
                        absl::StrCat("above low_freq_factor, which is ", scaling->low_freq_factor));
  }
  return fields.PositiveInt("original_max_position_embeddings",
                            &scaling->original_max_position_embeddings);
}

// transformers 4: "rope_theta" and "rope_scaling" {"rope_type" or, older, "type", ...};
// transformers 5: "rope_parameters" {"rope_theta", "rope_type", ...}.
absl::Status ReadRope(const JsonFields& top, ModelConfig* config) {
  RETURN_IF_ERROR(top.OptionalPositiveNumber("rope_theta", &config->rope_theta));
  const bool v5 = top.Get("rope_parameters") != nullptr;
  const std::string name = v5 ? "rope_parameters" : "rope_scaling";
  const json* object = top.Get(name);
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object()) return top.Wrong(name, "an object");
  const JsonFields fields(*object, absl::StrCat(top.where(), ": \"", name, "\""));
  RETURN_IF_ERROR(fields.OptionalPositiveNumber("rope_theta", &config->rope_theta));
  std::string type = "default";
  RETURN_IF_ERROR(fields.OptionalString("type", &type));
  RETURN_IF_ERROR(fields.OptionalString("rope_type", &type));
  if (type == "default") return absl::OkStatus();
  if (type == "llama3") return ReadLlama3Scaling(fields, &config->rope_scaling.emplace());
  return top.Invalid(
      absl::StrCat("rope type \"", type, "\" is not supported; supported: default, llama3"));
}

absl::Status RefuseQuantized(const JsonFields& fields) {
  const json* quantization = fields.Get("quantization_config");
  if (quantization == nullptr) return absl::OkStatus();
  std::string method = "unknown";
  if (quantization->is_object()) {
    RETURN_IF_ERROR(
        JsonFields(*quantization, fields.where()).OptionalString("quant_method", &method));
  }
  return fields.Invalid(
      absl::StrCat("the model is already quantized (quant_method \"", method, "\")"));
}

absl::Status ReadLlama(const JsonFields& fields, ModelConfig* config) {
  RETURN_IF_ERROR(ReadSizes(fields, "intermediate_size", config));
  config->embedding_dim = config->hidden_size;
  RETURN_IF_ERROR(ReadHeads(fields, config));
  RETURN_IF_ERROR(ReadActivation(fields, "hidden_act", "silu", config));
  RETURN_IF_ERROR(fields.OptionalPositiveNumber("rms_norm_eps", &config->rms_norm_eps));
  RETURN_IF_ERROR(fields.OptionalBool("attention_bias", &config->attention_bias));
  RETURN_IF_ERROR(fields.OptionalBool("mlp_bias", &config->mlp_bias));
  RETURN_IF_ERROR(fields.OptionalBool("tie_word_embeddings", &config->tie_word_embeddings));
  return ReadRope(fields, config);
}

// transformers 4: "use_sliding_window"; transformers 5 also "layer_types".
absl::Status RefuseSlidingWindow(const JsonFields& fields) {
  bool sliding = false;
  RETURN_IF_ERROR(fields.OptionalBool("use_sliding_window", &sliding));
  if (sliding) return fields.Wrong("use_sliding_window", "false");
  const json* types = fields.Get("layer_types");
  if (types == nullptr) return absl::OkStatus();
  if (!types->is_array()) return fields.Wrong("layer_types", "an array");
  for (const json& type : *types) {
    if (type == "full_attention") continue;
    return fields.Invalid(absl::StrCat("layer type ", type.dump(),
                                       " is not supported; supported: \"full_attention\""));
  }
  return absl::OkStatus();
}

absl::Status ReadQwen3(const JsonFields& fields, ModelConfig* config) {
  // transformers' defaults for these are those of one model, and every published file has them.
  for (const char* name : {"head_dim", "num_key_value_heads"}) {
    if (fields.Get(name) == nullptr) return fields.Missing(name);
  }
  RETURN_IF_ERROR(RefuseSlidingWindow(fields));
  return ReadLlama(fields, config);
}

absl::Status ReadOpt(const JsonFields& fields, ModelConfig* config) {
  RETURN_IF_ERROR(ReadSizes(fields, "ffn_dim", config));
  RETURN_IF_ERROR(CheckMultiple(fields, "hidden_size", config->hidden_size, "num_attention_heads",
                                config->num_heads));
  config->num_kv_heads = config->num_heads;
  config->head_dim = config->hidden_size / config->num_heads;
  RETURN_IF_ERROR(
      fields.PositiveIntOr("word_embed_proj_dim", config->hidden_size, &config->embedding_dim));
  RETURN_IF_ERROR(ReadActivation(fields, "activation_function", "relu", config));
  bool affine = true, bias = true, removed = false;
  RETURN_IF_ERROR(fields.OptionalBool("layer_norm_elementwise_affine", &affine));
  if (!affine) return fields.Wrong("layer_norm_elementwise_affine", "true");
  RETURN_IF_ERROR(fields.OptionalBool("enable_bias", &bias));
  config->attention_bias = config->mlp_bias = bias;
  RETURN_IF_ERROR(fields.OptionalBool("do_layer_norm_before", &config->norm_before));
  RETURN_IF_ERROR(fields.OptionalBool("_remove_final_layer_norm", &removed));
  config->final_norm = config->norm_before && !removed;
  config->tie_word_embeddings = true;
  return fields.OptionalBool("tie_word_embeddings", &config->tie_word_embeddings);
}

// From here on sizes are multiplied in int64.
absl::Status CheckWeights(const ModelConfig& c, const std::string& path) {
  constexpr double kMost = int64_t{1} << 50;
  const auto number = [](int64_t size) { return static_cast<double>(size); };
  const double attention = 4 * number(c.hidden_size) * number(c.num_heads) * number(c.head_dim);
  const double mlp = 3 * number(c.hidden_size) * number(c.intermediate_size);
  const double weights = (attention + mlp) * number(c.num_layers);
  if (weights <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": its sizes make a model of ", weights,
                                                 " weights; at most ", kMost, " are supported"));
}

using ReadFamily = std::function<absl::Status(const JsonFields&, ModelConfig*)>;

const std::map<std::string, ReadFamily>& Families() {
  static const auto* families = new std::map<std::string, ReadFamily>{
      {"llama", ReadLlama}, {"opt", ReadOpt}, {"qwen3", ReadQwen3}};
  return *families;
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& model_dir) {
  const std::string path = JoinPath(model_dir, "config.json");
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(const json object, ParseJsonObject(text, path));
  const JsonFields fields(object, path);
  ModelConfig config;
  RETURN_IF_ERROR(fields.OptionalString("model_type", &config.model_type));
  if (config.model_type.empty()) return fields.Missing("model_type");
  // Before the fields, so that another family is not reported as a missing field.
  RETURN_IF_ERROR(Annotate(LayoutOf(config).status(), path));
  RETURN_IF_ERROR(RefuseQuantized(fields));
  RETURN_IF_ERROR(Families().at(config.model_type)(fields, &config));
  RETURN_IF_ERROR(CheckWeights(config, path));
  return config;
}

}  // namespace rondo
