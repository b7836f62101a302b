#include "worker/artifact/quantization_config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/io/file.h"

namespace rondo {
namespace {

using Json = nlohmann::ordered_json;

ModelLayout SmallLayout() {
  ModelLayout layout;
  layout.layer_prefix = "model.layers.";
  layout.linears = {{"up_proj", 64, 32, false, 0}, {"down_proj", 32, 64, false, 1}};
  return layout;
}

absl::StatusOr<std::string> ConfigOf(const std::string& source, const ExportPlan& plan) {
  return ExportedConfig(source, SmallLayout(), 2, plan);
}

ExportPlan Plan(int64_t group_size, bool symmetric) {
  ExportPlan plan;
  plan.format = ExportFormat::kCompressedTensors;
  plan.grid = {.bits = 3, .group_size = group_size, .symmetric = symmetric};
  return plan;
}

TEST(ExportedConfig, AddsTheQuantizationAndKeepsTheRest) {
  const std::string source = ReadFile("tests/data/models/llama-tiny/config.json").value();
  Json config = Json::parse(ConfigOf(source, Plan(32, false)).value());
  EXPECT_EQ(config["quantization_config"], Json::parse(R"({
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "quantization_status": "compressed",
    "global_compression_ratio": null,
    "kv_cache_scheme": null,
    "ignore": ["lm_head"],
    "config_groups": {
      "group_0": {
        "targets": ["Linear"],
        "weights": {
          "num_bits": 3,
          "type": "int",
          "symmetric": false,
          "strategy": "group",
          "group_size": 32,
          "dynamic": false,
          "actorder": null
        },
        "input_activations": null,
        "output_activations": null
      }
    }
  })"));
  config.erase("quantization_config");
  EXPECT_EQ(config.dump(), Json::parse(source).dump());
}

TEST(ExportedConfig, WholeRowsAreChannels) {
  const Json config = Json::parse(ConfigOf("{}", Plan(-1, true)).value());
  const Json& weights = config["quantization_config"]["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["strategy"], "channel");
  EXPECT_TRUE(weights["group_size"].is_null());
  EXPECT_EQ(weights["symmetric"], true);
}

TEST(ExportedConfig, OverridesAreGroupsOfNames) {
  ExportPlan plan = Plan(32, true);
  plan.overrides = {{.pattern = "*.down_proj", .bits = 8, .group_size = -1},
                    {.pattern = "model.layers.0.up_proj", .skip = true}};
  const Json config = Json::parse(ConfigOf("{}", plan).value())["quantization_config"];
  EXPECT_EQ(config["ignore"], Json::parse(R"(["lm_head", "model.layers.0.up_proj"])"));
  ASSERT_EQ(config["config_groups"].size(), 2u);
  const Json& named = config["config_groups"]["group_0"];
  EXPECT_EQ(named["targets"],
            Json::parse(R"(["model.layers.0.down_proj", "model.layers.1.down_proj"])"));
  EXPECT_EQ(named["weights"]["num_bits"], 8);
  EXPECT_EQ(named["weights"]["strategy"], "channel");
  const Json& others = config["config_groups"]["group_1"];
  EXPECT_EQ(others["targets"], Json::parse(R"(["Linear"])"));
  EXPECT_EQ(others["weights"]["num_bits"], 3);
}

TEST(ExportedConfig, DenseIsTheOriginal) {
  ExportPlan plan;
  EXPECT_EQ(ConfigOf("{ \"a\" : 1 }", plan).value(), "{ \"a\" : 1 }");
}

TEST(ExportedConfig, NotJson) {
  EXPECT_EQ(ConfigOf("[", Plan(32, true)).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rondo
