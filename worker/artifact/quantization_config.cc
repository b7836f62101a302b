#include "worker/artifact/quantization_config.h"

#include <nlohmann/json.hpp>

namespace rondo {
namespace {

using Json = nlohmann::ordered_json;

// Linear modules outside the decoder layers.
Json Ignored(const Json& config) {
  Json names = Json::array({"lm_head"});
  if (config.contains("word_embed_proj_dim") &&
      config["word_embed_proj_dim"] != config["hidden_size"]) {
    names.push_back("model.decoder.project_in");
    names.push_back("model.decoder.project_out");
  }
  return names;
}

Json QuantizationConfig(const GridSpec& grid, Json ignored) {
  const bool channel = grid.group_size < 0;
  Json weights = {{"num_bits", grid.bits},
                  {"type", "int"},
                  {"symmetric", grid.symmetric},
                  {"strategy", channel ? "channel" : "group"},
                  {"group_size", channel ? Json(nullptr) : Json(grid.group_size)},
                  {"dynamic", false},
                  {"actorder", nullptr}};
  Json group = {{"targets", Json::array({"Linear"})},
                {"weights", std::move(weights)},
                {"input_activations", nullptr},
                {"output_activations", nullptr}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},
          {"ignore", std::move(ignored)},
          {"config_groups", {{"group_0", std::move(group)}}}};
}

}  // namespace

absl::StatusOr<std::string> ExportedConfig(const std::string& source, const ExportPlan& plan) {
  if (plan.format == ExportFormat::kDense) return source;
  Json config = Json::parse(source, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(plan.model_dir, "/config.json is not a JSON object"));
  }
  config["quantization_config"] = QuantizationConfig(plan.grid, Ignored(config));
  return config.dump(2) + "\n";
}

}  // namespace rondo
