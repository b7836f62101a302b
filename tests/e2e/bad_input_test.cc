// What a user sees of bad input: one line that says what to do, an exit code, and nothing left
// over.
#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file.h"
#include "tests/e2e/cli_runner.h"

namespace rondo {
namespace {

constexpr int kJobFailed = 1;
constexpr int kBadInput = 2;
constexpr int kUnreachable = 3;

class BadInput : public testing::Test {
 protected:
  // A copy of the tiny model, to be damaged.
  std::string CopyModel() {
    std::string model = dir_ / "model";
    std::filesystem::copy(kTinyModel, model);
    return model;
  }

  // A copy of the tiny model with the first `from` of a file replaced. Sizes stay: a safetensors
  // header counts its bytes.
  std::string ModelWith(const std::string& file, const std::string& from, const std::string& to) {
    std::string model = CopyModel();
    std::string bytes = ReadFile(JoinPath(model, file)).value();
    const size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    bytes.replace(at, from.size(), to);
    EXPECT_TRUE(WriteFileAtomically(JoinPath(model, file), bytes).ok());
    return model;
  }

  // The tiny model as the one shard of an index.
  std::string ModelWithIndex(const std::string& index) {
    std::string model = CopyModel();
    std::filesystem::rename(model + "/model.safetensors", model + "/one.safetensors");
    EXPECT_TRUE(WriteFileAtomically(model + "/model.safetensors.index.json", index).ok());
    return model;
  }

  // `rondo quantize` with sound options, of which `changed` replaces some.
  CommandResult Quantize(const std::string& model,
                         const std::map<std::string, std::string>& changed) {
    std::map<std::string, std::string> options = {{"--model", model},
                                                  {"--bits", "4"},
                                                  {"--group-size", "32"},
                                                  {"--samples", "8"},
                                                  {"--seq-len", "128"},
                                                  {"--workers", "1"},
                                                  {"--calibration", kCalibrationText},
                                                  {"--out", dir_ / "out"}};
    for (const auto& [name, value] : changed) options[name] = value;
    std::vector<std::string> argv = {"rondo", "quantize"};
    for (const auto& [name, value] : options) argv.insert(argv.end(), {name, value});
    return RunCommand(argv);
  }

  // The last line of stderr is exactly "rondo: " and the message; nothing was written.
  void ExpectRefused(const CommandResult& result, const std::string& message,
                     int exit_code = kBadInput) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_THAT(result.err, testing::EndsWith("rondo: " + message + "\n"));
    EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
  }

  // A rank refused, before it loaded any weights; nothing was written.
  void ExpectJobFailed(const CommandResult& result, const std::string& message) {
    EXPECT_EQ(result.exit_code, kJobFailed) << result.err;
    EXPECT_THAT(result.err, testing::EndsWith(" failed: " + message + "\n"));
    EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
  }

  std::string Absolute(const std::string& path) { return std::filesystem::absolute(path); }

  ScopedDir dir_;
};

TEST_F(BadInput, MissingModel) {
  ExpectRefused(Quantize(dir_ / "nowhere", {}),
                "model folder " + (dir_ / "nowhere") + " does not exist");
}

TEST_F(BadInput, MissingCalibration) {
  ExpectRefused(Quantize(kTinyModel, {{"--calibration", dir_ / "no.txt"}}),
                "calibration file " + (dir_ / "no.txt") + " does not exist");
}

TEST_F(BadInput, TruncatedSafetensors) {
  const std::string model = CopyModel();
  const std::string file = model + "/model.safetensors";
  std::filesystem::resize_file(file, 1000000);
  ExpectRefused(Quantize(model, {}),
                file +
                    " is truncated: tensor model.layers.1.mlp.gate_proj.weight needs bytes up to "
                    "1078024, the file has 1000000");
}

TEST_F(BadInput, CorruptHeader) {
  const std::string model = CopyModel();
  std::fstream file(model + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8);
  file.put('[');
  file.close();
  ExpectRefused(Quantize(model, {}),
                model + "/model.safetensors: the header is not valid JSON (at byte 16)");
}

TEST_F(BadInput, UnknownArchitecture) {
  const std::string model = CopyModel();
  std::ofstream(model + "/config.json") << R"({"model_type": "mamba"})";
  ExpectRefused(
      Quantize(model, {}),
      model + "/config.json: model_type \"mamba\" is not supported; supported: llama, opt, qwen3");
}

TEST_F(BadInput, FiveBits) {
  ExpectRefused(Quantize(kTinyModel, {{"--bits", "5"}}), "grid.bits is 5; it must be 2, 3, 4 or 8");
}

TEST_F(BadInput, GroupSizeThatDoesNotDivide) {
  ExpectRefused(
      Quantize(kTinyModel, {{"--group-size", "48"}}),
      "grid.group_size 48 does not divide the 128 inputs of "
      "model.layers.*.self_attn.q_proj; choose a divisor such as 32 or -1 for the whole row");
}

TEST_F(BadInput, EmptyCalibration) {
  std::ofstream(dir_ / "empty.txt").close();
  ExpectRefused(Quantize(kTinyModel, {{"--calibration", dir_ / "empty.txt"}}),
                "calibration text " + (dir_ / "empty.txt") + " is empty");
}

TEST_F(BadInput, FewerBytesThanTokensAskedFor) {
  ExpectRefused(Quantize(kTinyModel, {{"--samples", "4000"}}),
                "calibration text " + Absolute(kCalibrationText) +
                    " holds at most 299663 tokens; samples x seq_len (4000 x 128) needs 512000");
}

// Only the tokenizer can tell, so a rank does, before it loads any weights.
TEST_F(BadInput, FewerTokensThanAskedFor) {
  ExpectJobFailed(Quantize(kTinyModel, {{"--samples", "2000"}}),
                  Absolute(kCalibrationText) +
                      " holds 111389 tokens: 870 windows of 128; 2000 samples were asked for");
}

TEST_F(BadInput, TextThatIsNotUtf8) {
  const std::string text = dir_ / "latin1.txt";
  std::ofstream(text) << std::string(2000, 'a') << "caf\xE9 au lait";
  ExpectJobFailed(Quantize(kTinyModel, {{"--calibration", text}}),
                  "text " + text + ": not UTF-8: byte 0xe9 at offset 2003");
}

TEST_F(BadInput, TokenizerOfAnUnknownType) {
  const std::string model = ModelWith("tokenizer.json", R"("type": "BPE")", R"("type": "BPX")");
  ExpectJobFailed(Quantize(model, {}), model +
                                           "/tokenizer.json: model: type \"BPX\" is not supported; "
                                           "supported are BPE");
}

TEST_F(BadInput, TokenizerOfAnotherModel) {
  const std::string model = CopyModel();
  std::filesystem::copy("tests/data/tokenizers/qwen3-tiny/tokenizer.json", model,
                        std::filesystem::copy_options::overwrite_existing);
  const CommandResult result = Quantize(model, {});
  EXPECT_EQ(result.exit_code, kJobFailed) << result.err;
  EXPECT_THAT(result.err, testing::ContainsRegex(
                              "calibration.txt: token [0-9]+ is [0-9]+; the model's vocabulary "
                              "holds ids 0 to 1023\n"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
}

TEST_F(BadInput, VocabularyThatDoesNotMatchTheEmbedding) {
  const std::string model =
      ModelWith("config.json", "\"vocab_size\": 1024", "\"vocab_size\": 1000");
  ExpectRefused(Quantize(model, {}),
                "tensor model.embed_tokens.weight has shape [1024, 128], config.json asks for "
                "[1000, 128]");
}

TEST_F(BadInput, MissingShard) {
  const std::string model = ModelWithIndex(
      R"({"weight_map": {"lm_head.weight": "one.safetensors", "model.norm.weight": "2.safetensors"}})");
  ExpectRefused(Quantize(model, {}), model +
                                         "/model.safetensors.index.json names shard 2.safetensors "
                                         "of tensor model.norm.weight, which does not exist");
}

TEST_F(BadInput, IndexNamesATensorThatIsNotThere) {
  const std::string model =
      ModelWithIndex(R"({"weight_map": {"lm_tail.weight": "one.safetensors"}})");
  ExpectRefused(Quantize(model, {}),
                model +
                    "/model.safetensors.index.json places tensor "
                    "lm_tail.weight in one.safetensors, which does not hold it");
}

TEST_F(BadInput, IndexWithoutATensorOfTheModel) {
  const std::string model =
      ModelWithIndex(R"({"weight_map": {"lm_head.weight": "one.safetensors"}})");
  ExpectRefused(
      Quantize(model, {}),
      "the checkpoint holds no tensor model.embed_tokens.weight, which config.json asks for");
}

struct Damage {
  const char* name;
  const char* from;
  const char* to;
  const char* message;  // after the model's folder
};

class BadHeader : public BadInput, public testing::WithParamInterface<Damage> {};

TEST_P(BadHeader, IsRefused) {
  const std::string model = ModelWith("model.safetensors", GetParam().from, GetParam().to);
  ExpectRefused(Quantize(model, {}), model + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Header, BadHeader,
    testing::Values(
        Damage{"NameTwice", "layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj",
               "/model.safetensors: the header names \"model.layers.0.self_attn.v_proj.weight\" "
               "twice"},
        Damage{"Overlap", "[524288,524544]", "[524280,524536]",
               "/model.safetensors: tensors model.embed_tokens.weight and "
               "model.layers.0.input_layernorm.weight overlap"},
        Damage{"OutOfRange", "[2000896,2001152]", "[9000896,9001152]",
               "/model.safetensors is truncated: tensor model.norm.weight needs bytes up to "
               "9005256, the file has 2005256"},
        Damage{"UnknownDtype", "F16", "X16",
               "/model.safetensors: tensor lm_head.weight has dtype \"X16\", which is not "
               "supported; supported: BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64"}),
    [](const auto& info) { return info.param.name; });

TEST_F(BadInput, WeightsThatAreNoFloats) {
  ExpectRefused(Quantize(ModelWith("model.safetensors", "F16", "I16"), {}),
                "tensor lm_head.weight has dtype I16, supported: F16, BF16, F32");
}

TEST_F(BadInput, OutputFolderNotEmpty) {
  std::filesystem::create_directory(dir_ / "full");
  std::ofstream(dir_ / "full/file") << "x";
  ExpectRefused(
      Quantize(kTinyModel, {{"--out", dir_ / "full"}}),
      "--out " + (dir_ / "full") + " exists and is not empty; choose another folder or remove it");
}

TEST_F(BadInput, UnreachableServer) {
  ExpectRefused(
      RunCommand({"rondo", "list", "--server", "127.0.0.1:1"}),
      "no rondo server answers at 127.0.0.1:1; start one with rondo-server, or check --server",
      kUnreachable);
}

}  // namespace
}  // namespace rondo
