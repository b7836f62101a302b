// What a user sees of bad input: one line that says what to do, an exit code, and nothing left
// over.
#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/cli_runner.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

constexpr int kJobFailed = 1;
constexpr int kBadInput = 2;
constexpr int kUnreachable = 3;

class BadInput : public testing::Test {
 protected:
  // A copy of the tiny model, to be damaged.
  std::string CopyModel() {
    const std::string model = dir_ / "model";
    std::filesystem::copy(kTinyModel, model);
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
  const CommandResult result = Quantize(kTinyModel, {{"--samples", "2000"}});
  EXPECT_EQ(result.exit_code, kJobFailed);
  EXPECT_THAT(
      result.err,
      testing::EndsWith(" failed: " + Absolute(kCalibrationText) +
                        " holds 111389 tokens: 870 windows of 128; 2000 samples were asked for\n"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
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
