#include "worker/artifact/quantization_config.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/domain/overrides.h"

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

// Linear layers that share a grid.
struct Group {
  GridSpec grid;
  std::vector<std::string> targets;  // full names, or a class of modules
};

Json GroupConfig(const Group& group) {
  const bool channel = group.grid.group_size < 0;
  Json weights = {{"num_bits", group.grid.bits},
                  {"type", "int"},
                  {"symmetric", group.grid.symmetric},
                  {"strategy", channel ? "channel" : "group"},
                  {"group_size", channel ? Json(nullptr) : Json(group.grid.group_size)},
                  {"dynamic", false},
                  {"actorder", nullptr}};
  return {{"targets", group.targets},
          {"weights", std::move(weights)},
          {"input_activations", nullptr},
          {"output_activations", nullptr}};
}

// The job's own grid holds for every linear that no other group names: loaders prefer names.
struct Groups {
  std::vector<Group> groups;
  std::vector<std::string> skipped;

  Groups(const ModelLayout& layout, int64_t num_layers, const ExportPlan& plan) {
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      for (const LinearLayout& linear : layout.linears) {
        const std::string name = FullName(layout, layer, linear.name);
        const LayerSettings settings = SettingsOf(plan.grid, plan.overrides, name);
        if (settings.skip) {
          skipped.push_back(name);
        } else if (settings.grid == plan.grid) {
          Of(plan.grid).targets = {"Linear"};
        } else {
          Of(settings.grid).targets.push_back(name);
        }
      }
    }
  }

  Group& Of(const GridSpec& grid) {
    for (Group& group : groups) {
      if (group.grid == grid) return group;
    }
    return groups.emplace_back(Group{grid, {}});
  }
};

Json QuantizationConfig(const Groups& all, Json ignored) {
  for (const std::string& name : all.skipped) ignored.push_back(name);
  Json groups = Json::object();
  for (const Group& group : all.groups) {
    groups[absl::StrCat("group_", groups.size())] = GroupConfig(group);
  }
  return {{"quant_method", "compressed-tensors"}, {"format", "pack-quantized"},
          {"quantization_status", "compressed"},  {"global_compression_ratio", nullptr},
          {"kv_cache_scheme", nullptr},           {"ignore", std::move(ignored)},
          {"config_groups", std::move(groups)}};
}

}  // namespace

absl::StatusOr<std::string> ExportedConfig(const std::string& source, const ModelLayout& layout,
                                           int64_t num_layers, const ExportPlan& plan) {
  if (plan.format == ExportFormat::kDense) return source;
  Json config = Json::parse(source, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(plan.model_dir, "/config.json is not a JSON object"));
  }
  config["quantization_config"] =
      QuantizationConfig(Groups(layout, num_layers, plan), Ignored(config));
  return config.dump(2) + "\n";
}

}  // namespace rondo
