#include <cmath>

#include "common/format/checkpoint.h"
#include "common/format/json.h"

namespace rondo {
namespace {

using nlohmann::json;

// Far above any model; products of two sizes and a count of layers stay within int64.
constexpr int64_t kMaxSize = 1 << 24;

// Fields of one JSON object; `where` begins every message. A field that is null counts as absent.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const json* Get(const std::string& name) const {
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  absl::Status PositiveInt(const std::string& name, int64_t* out) const {
    const json* value = Get(name);
    if (value == nullptr) return Missing(name);
    if (!value->is_number_integer() || *value < 1 || *value > kMaxSize) {
      return Wrong(name, absl::StrCat("a whole number from 1 to ", kMaxSize));
    }
    *out = value->get<int64_t>();
    return absl::OkStatus();
  }

  absl::Status PositiveIntOr(const std::string& name, int64_t otherwise, int64_t* out) const {
    if (Get(name) != nullptr) return PositiveInt(name, out);
    *out = otherwise;
    return absl::OkStatus();
  }

  absl::Status PositiveNumber(const std::string& name, double* out) const {
    const json* value = Get(name);
    if (value == nullptr) return Missing(name);
    if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() <= 0) {
      return Wrong(name, "a number above 0");
    }
    *out = value->get<double>();
    return absl::OkStatus();
  }

  // Leaves *out when the field is absent.
  absl::Status OptionalPositiveNumber(const std::string& name, double* out) const {
    return Get(name) == nullptr ? absl::OkStatus() : PositiveNumber(name, out);
  }

  absl::Status OptionalBool(const std::string& name, bool* out) const {
    const json* value = Get(name);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_boolean()) return Wrong(name, "true or false");
    *out = value->get<bool>();
    return absl::OkStatus();
  }

  absl::Status OptionalString(const std::string& name, std::string* out) const {
    const json* value = Get(name);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_string()) return Wrong(name, "a string");
    *out = value->get<std::string>();
    return absl::OkStatus();
  }

  absl::Status Missing(const std::string& name) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, " has no \"", name, "\""));
  }

  absl::Status Wrong(const std::string& name, const std::string& wanted) const {
    return absl::InvalidArgumentError(absl::StrCat(
        where_, ": \"", name, "\" is ", object_.at(name).dump(), "; it must be ", wanted));
  }

 private:
  const json& object_;
  std::string where_;
};

absl::Status ReadSizes(const Fields& fields, const std::string& path, ModelConfig* config) {
  RETURN_IF_ERROR(fields.PositiveInt("hidden_size", &config->hidden_size));
  RETURN_IF_ERROR(fields.PositiveInt("intermediate_size", &config->intermediate_size));
  RETURN_IF_ERROR(fields.PositiveInt("num_hidden_layers", &config->num_layers));
  RETURN_IF_ERROR(fields.PositiveInt("num_attention_heads", &config->num_heads));
  RETURN_IF_ERROR(fields.PositiveInt("vocab_size", &config->vocab_size));
  RETURN_IF_ERROR(fields.PositiveInt("max_position_embeddings", &config->max_positions));
  RETURN_IF_ERROR(
      fields.PositiveIntOr("num_key_value_heads", config->num_heads, &config->num_kv_heads));
  if (config->num_heads % config->num_kv_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": \"num_attention_heads\" ", config->num_heads,
                     " is not a multiple of \"num_key_value_heads\" ", config->num_kv_heads));
  }
  if (fields.Get("head_dim") == nullptr && config->hidden_size % config->num_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": \"hidden_size\" ", config->hidden_size,
                                                   " is not a multiple of \"num_attention_heads\" ",
                                                   config->num_heads));
  }
  RETURN_IF_ERROR(
      fields.PositiveIntOr("head_dim", config->hidden_size / config->num_heads, &config->head_dim));
  if (config->head_dim % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the head dimension ", config->head_dim,
                                                   " is odd; rotary positions need an even one"));
  }
  return absl::OkStatus();
}

absl::Status ReadActivation(const Fields& fields, const std::string& path, ModelConfig* config) {
  RETURN_IF_ERROR(fields.OptionalString("hidden_act", &config->hidden_act));
  if (config->hidden_act != "silu") {
    return absl::InvalidArgumentError(absl::StrCat(path, ": hidden_act \"", config->hidden_act,
                                                   "\" is not supported; supported: silu"));
  }
  return absl::OkStatus();
}

absl::Status ReadLlama3Scaling(const Fields& fields, Llama3RopeScaling* scaling) {
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
absl::Status ReadRope(const Fields& top, const std::string& path, ModelConfig* config) {
  RETURN_IF_ERROR(top.OptionalPositiveNumber("rope_theta", &config->rope_theta));
  const bool v5 = top.Get("rope_parameters") != nullptr;
  const std::string name = v5 ? "rope_parameters" : "rope_scaling";
  const json* object = top.Get(name);
  if (object == nullptr) return absl::OkStatus();
  if (!object->is_object()) return top.Wrong(name, "an object");
  const Fields fields(*object, absl::StrCat(path, ": \"", name, "\""));
  RETURN_IF_ERROR(fields.OptionalPositiveNumber("rope_theta", &config->rope_theta));
  std::string type = "default";
  RETURN_IF_ERROR(fields.OptionalString("type", &type));
  RETURN_IF_ERROR(fields.OptionalString("rope_type", &type));
  if (type == "default") return absl::OkStatus();
  if (type == "llama3") return ReadLlama3Scaling(fields, &config->rope_scaling.emplace());
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": rope type \"", type, "\" is not supported; supported: default, llama3"));
}

absl::Status RefuseQuantized(const Fields& fields, const std::string& path) {
  const json* quantization = fields.Get("quantization_config");
  if (quantization == nullptr) return absl::OkStatus();
  std::string method = "unknown";
  if (quantization->is_object()) {
    RETURN_IF_ERROR(Fields(*quantization, path).OptionalString("quant_method", &method));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": the model is already quantized (quant_method \"", method, "\")"));
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& model_dir) {
  const std::string path = JoinPath(model_dir, "config.json");
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(const json object, ParseJsonObject(text, path));
  const Fields fields(object, path);
  ModelConfig config;
  RETURN_IF_ERROR(fields.OptionalString("model_type", &config.model_type));
  if (config.model_type.empty()) return fields.Missing("model_type");
  // Before the fields, so that another family is not reported as a missing field.
  RETURN_IF_ERROR(Annotate(LayoutOf(config).status(), path));
  RETURN_IF_ERROR(RefuseQuantized(fields, path));
  RETURN_IF_ERROR(ReadSizes(fields, path, &config));
  RETURN_IF_ERROR(ReadActivation(fields, path, &config));
  RETURN_IF_ERROR(fields.OptionalPositiveNumber("rms_norm_eps", &config.rms_norm_eps));
  RETURN_IF_ERROR(fields.OptionalBool("attention_bias", &config.attention_bias));
  RETURN_IF_ERROR(fields.OptionalBool("mlp_bias", &config.mlp_bias));
  RETURN_IF_ERROR(fields.OptionalBool("tie_word_embeddings", &config.tie_word_embeddings));
  RETURN_IF_ERROR(ReadRope(fields, path, &config));
  return config;
}

}  // namespace rondo
