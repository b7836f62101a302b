#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/format/checkpoint.h"

namespace rondo {
namespace {

using nlohmann::json;

class ConfigJsonTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_config_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    Use("llama-tiny");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  absl::StatusOr<ModelConfig> Read(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(JoinPath(dir_, "config.json"), text).ok());
    return ReadModelConfig(dir_);
  }
  absl::StatusOr<ModelConfig> Read() { return Read(config_.dump()); }
  // The message without the path that it starts with.
  std::string Message(const absl::StatusOr<ModelConfig>& config) {
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
    const std::string path = JoinPath(dir_, "config.json");
    const std::string message(config.status().message());
    EXPECT_EQ(message.rfind(path, 0), 0u) << message;
    return message.substr(std::min(path.size(), message.size()));
  }
  std::string MessageWith(const std::string& field, const json& value) {
    json changed = config_;
    changed[field] = value;
    return Message(Read(changed.dump()));
  }

  void Use(const std::string& model) {
    config_ = json::parse(ReadFile("tests/data/models/" + model + "/config.json").value());
  }

  std::string dir_;
  json config_;
};

// Sizes that are each possible, and whose product is not.
TEST_F(ConfigJsonTest, TheWholeModelCanBeCounted) {
  config_["head_dim"] = 1 << 24;
  EXPECT_EQ(MessageWith("hidden_size", 1 << 24),
            ": its sizes make a model of 1.80145e+16 weights; at most 1.1259e+15 are supported");
}

TEST_F(ConfigJsonTest, BothSpellingsOfTheTinyModel) {
  const auto check = [](const ModelConfig& config) {
    EXPECT_EQ(config.model_type, "llama");
    EXPECT_EQ(config.hidden_size, 128);
    EXPECT_EQ(config.intermediate_size, 352);
    EXPECT_EQ(config.num_layers, 4);
    EXPECT_EQ(config.num_heads, 4);
    EXPECT_EQ(config.num_kv_heads, 2);
    EXPECT_EQ(config.head_dim, 32);
    EXPECT_EQ(config.vocab_size, 1024);
    EXPECT_EQ(config.max_positions, 512);
    EXPECT_EQ(config.rms_norm_eps, 1e-5);
    EXPECT_EQ(config.rope_theta, 10000.0);
    EXPECT_FALSE(config.rope_scaling.has_value());
    EXPECT_FALSE(config.tie_word_embeddings);
  };
  check(Read().value());
  check(Read(ReadFile("tests/data/models/llama-tiny/golden/config.transformers5.json").value())
            .value());
}

TEST_F(ConfigJsonTest, Defaults) {
  for (const char* field : {"num_key_value_heads", "rope_theta", "rms_norm_eps", "hidden_act",
                            "attention_bias", "mlp_bias", "tie_word_embeddings", "rope_scaling"}) {
    config_.erase(field);
  }
  config_["head_dim"] = nullptr;
  const ModelConfig config = Read().value();
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
}

TEST_F(ConfigJsonTest, Rope) {
  const json llama3 = {{"factor", 32.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4},
                       {"original_max_position_embeddings", 8192}};
  for (const char* key : {"rope_type", "type"}) {
    config_["rope_scaling"] = llama3;
    config_["rope_scaling"][key] = "llama3";
    config_["rope_theta"] = 500000;
    const ModelConfig config = Read().value();
    EXPECT_EQ(config.rope_theta, 500000.0);
    EXPECT_EQ(config.rope_scaling.value().factor, 32.0);
    EXPECT_EQ(config.rope_scaling.value().low_freq_factor, 1.0);
    EXPECT_EQ(config.rope_scaling.value().high_freq_factor, 4.0);
    EXPECT_EQ(config.rope_scaling.value().original_max_position_embeddings, 8192);
  }
  config_.erase("rope_theta");
  config_.erase("rope_scaling");
  config_["rope_parameters"] = llama3;
  config_["rope_parameters"]["rope_type"] = "llama3";
  config_["rope_parameters"]["rope_theta"] = 250000.0;
  EXPECT_EQ(Read()->rope_theta, 250000.0);
  EXPECT_EQ(Read()->rope_scaling.value().factor, 32.0);
  config_["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 7.5}};
  EXPECT_EQ(Read()->rope_theta, 7.5);
  EXPECT_FALSE(Read()->rope_scaling.has_value());

  EXPECT_EQ(MessageWith("rope_parameters", {{"rope_type", "yarn"}, {"factor", 2.0}}),
            ": rope type \"yarn\" is not supported; supported: default, llama3");
  EXPECT_EQ(MessageWith("rope_parameters", {{"rope_type", "llama3"}}),
            ": \"rope_parameters\" has no \"factor\"");
  config_.erase("rope_parameters");
  EXPECT_EQ(MessageWith("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}),
            ": rope type \"linear\" is not supported; supported: default, llama3");
  EXPECT_EQ(MessageWith("rope_scaling", 2), ": \"rope_scaling\" is 2; it must be an object");
}

TEST_F(ConfigJsonTest, BothSpellingsOfOpt) {
  Use("opt-tiny");
  const auto check = [](const ModelConfig& config) {
    EXPECT_EQ(config.model_type, "opt");
    EXPECT_EQ(config.intermediate_size, 512);
    EXPECT_EQ(config.num_kv_heads, 4);
    EXPECT_EQ(config.head_dim, 32);
    EXPECT_EQ(config.max_positions, 512);
    EXPECT_EQ(config.embedding_dim, 128);
    EXPECT_EQ(config.hidden_act, "relu");
    EXPECT_TRUE(config.attention_bias && config.mlp_bias && config.tie_word_embeddings);
    EXPECT_TRUE(config.norm_before && config.final_norm);
  };
  check(Read().value());
  check(Read(ReadFile("tests/data/models/opt-tiny/golden/config.transformers5.json").value())
            .value());
}

TEST_F(ConfigJsonTest, VariantsOfOpt) {
  Use("opt-post-norm");
  EXPECT_EQ(Read()->embedding_dim, 32);
  EXPECT_FALSE(Read()->norm_before || Read()->final_norm);
  config_["do_layer_norm_before"] = true;
  EXPECT_TRUE(Read()->final_norm);
  config_["_remove_final_layer_norm"] = true;
  EXPECT_FALSE(Read()->final_norm);
  config_["enable_bias"] = false;
  EXPECT_FALSE(Read()->attention_bias || Read()->mlp_bias);
  config_.erase("word_embed_proj_dim");
  EXPECT_EQ(Read()->embedding_dim, 48);
  EXPECT_EQ(MessageWith("activation_function", "gelu"),
            ": activation_function \"gelu\" is not supported; supported: relu");
  EXPECT_EQ(MessageWith("layer_norm_elementwise_affine", false),
            ": \"layer_norm_elementwise_affine\" is false; it must be true");
  EXPECT_EQ(MessageWith("num_attention_heads", 5),
            ": \"hidden_size\" 48 is not a multiple of \"num_attention_heads\" 5");
  EXPECT_EQ(MessageWith("ffn_dim", nullptr), " has no \"ffn_dim\"");
}

TEST_F(ConfigJsonTest, BothSpellingsOfQwen3) {
  Use("qwen3-tiny");
  const auto check = [](const ModelConfig& config) {
    EXPECT_EQ(config.model_type, "qwen3");
    EXPECT_EQ(config.hidden_size, 128);
    EXPECT_EQ(config.num_kv_heads, 2);
    EXPECT_EQ(config.head_dim, 48);
    EXPECT_EQ(config.rope_theta, 1e6);
    EXPECT_TRUE(config.tie_word_embeddings);
  };
  check(Read().value());
  check(Read(ReadFile("tests/data/models/qwen3-tiny/golden/config.transformers5.json").value())
            .value());
  EXPECT_EQ(MessageWith("use_sliding_window", true),
            ": \"use_sliding_window\" is true; it must be false");
  EXPECT_EQ(MessageWith("layer_types", {"full_attention", "sliding_attention"}),
            ": layer type \"sliding_attention\" is not supported; supported: \"full_attention\"");
  EXPECT_EQ(MessageWith("layer_types", "full_attention"),
            ": \"layer_types\" is \"full_attention\"; it must be an array");
  EXPECT_EQ(MessageWith("head_dim", nullptr), " has no \"head_dim\"");
}

TEST_F(ConfigJsonTest, OtherFamiliesAreNamedBeforeMissingFields) {
  EXPECT_EQ(Message(Read(R"({"model_type":"gpt_neox"})")),
            ": model_type \"gpt_neox\" is not supported; supported: llama, opt, qwen3");
  EXPECT_EQ(Message(Read("{}")), " has no \"model_type\"");
}

TEST_F(ConfigJsonTest, QuantizedModels) {
  EXPECT_EQ(MessageWith("quantization_config", {{"quant_method", "gptq"}, {"bits", 4}}),
            ": the model is already quantized (quant_method \"gptq\")");
  EXPECT_EQ(MessageWith("quantization_config", true),
            ": the model is already quantized (quant_method \"unknown\")");
}

TEST_F(ConfigJsonTest, WrongValues) {
  const std::string whole = "; it must be a whole number from 1 to 16777216";
  EXPECT_EQ(MessageWith("hidden_size", 0), ": \"hidden_size\" is 0" + whole);
  EXPECT_EQ(MessageWith("hidden_size", -1), ": \"hidden_size\" is -1" + whole);
  EXPECT_EQ(MessageWith("vocab_size", 1e3), ": \"vocab_size\" is 1000.0" + whole);
  EXPECT_EQ(MessageWith("vocab_size", "1024"), ": \"vocab_size\" is \"1024\"" + whole);
  EXPECT_EQ(MessageWith("num_hidden_layers", 18446744073709551615ull),
            ": \"num_hidden_layers\" is 18446744073709551615" + whole);
  EXPECT_EQ(MessageWith("num_hidden_layers", nullptr), " has no \"num_hidden_layers\"");
  EXPECT_EQ(MessageWith("num_key_value_heads", 3),
            ": \"num_attention_heads\" 4 is not a multiple of \"num_key_value_heads\" 3");
  EXPECT_EQ(MessageWith("hidden_size", 130),
            ": \"hidden_size\" 130 is not a multiple of \"num_attention_heads\" 4");
  EXPECT_EQ(MessageWith("head_dim", 33),
            ": the head dimension 33 is odd; rotary positions need an even one");
  EXPECT_EQ(MessageWith("hidden_act", "gelu"),
            ": hidden_act \"gelu\" is not supported; supported: silu");
  EXPECT_EQ(MessageWith("rms_norm_eps", 0), ": \"rms_norm_eps\" is 0; it must be a number above 0");
  EXPECT_EQ(MessageWith("rope_theta", "x"),
            ": \"rope_theta\" is \"x\"; it must be a number above 0");
  EXPECT_EQ(MessageWith("tie_word_embeddings", 1),
            ": \"tie_word_embeddings\" is 1; it must be true or false");
  EXPECT_EQ(MessageWith("model_type", 1), ": \"model_type\" is 1; it must be a string");
}

TEST_F(ConfigJsonTest, NotJson) {
  EXPECT_EQ(ReadModelConfig(dir_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Message(Read("")), " is not valid JSON (at byte 1)");
  EXPECT_EQ(Message(Read("[]")), " is not a JSON object");
}

}  // namespace
}  // namespace rondo
