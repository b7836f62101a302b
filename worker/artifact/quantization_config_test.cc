#include "worker/artifact/quantization_config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/io/file.h"

namespace rondo {
namespace {

using Json = nlohmann::ordered_json;

ExportPlan Plan(int64_t group_size, bool symmetric) {
  ExportPlan plan;
  plan.format = ExportFormat::kCompressedTensors;
  plan.grid = {.bits = 3, .group_size = group_size, .symmetric = symmetric};
  return plan;
}

TEST(ExportedConfig, AddsTheQuantizationAndKeepsTheRest) {
  const std::string source = ReadFile("tests/data/models/llama-tiny/config.json").value();
  Json config = Json::parse(ExportedConfig(source, Plan(32, false)).value());
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
  const Json config = Json::parse(ExportedConfig("{}", Plan(-1, true)).value());
  const Json& weights = config["quantization_config"]["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["strategy"], "channel");
  EXPECT_TRUE(weights["group_size"].is_null());
  EXPECT_EQ(weights["symmetric"], true);
}

TEST(ExportedConfig, DenseIsTheOriginal) {
  ExportPlan plan;
  EXPECT_EQ(ExportedConfig("{ \"a\" : 1 }", plan).value(), "{ \"a\" : 1 }");
}

TEST(ExportedConfig, NotJson) {
  EXPECT_EQ(ExportedConfig("[", Plan(32, true)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rondo
