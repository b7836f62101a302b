// `rondo quantize` on the tiny LLaMA: real coordinator, agents, ranks, Gloo and files.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/cli_runner.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Quantize(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> argv = {
      "rondo", "quantize",  "--model", kTinyModel,      "--samples",      "8",     "--seq-len",
      "128",   "--threads", "1",       "--calibration", kCalibrationText, "--out", out};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

void ExpectSameTensors(const std::string& a_dir, const std::string& b_dir) {
  auto a = Checkpoint::Open(a_dir);
  auto b = Checkpoint::Open(b_dir);
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_EQ(a->names(), b->names());
  for (const std::string& name : a->names()) {
    const auto left = a->Find(name);
    const auto right = b->Find(name);
    ASSERT_EQ(left->info.shape, right->info.shape) << name;
    EXPECT_TRUE(std::ranges::equal(left->data, right->data)) << name;
  }
}

class SameBits : public testing::TestWithParam<std::vector<std::string>> {};

// Layers do not know on which stage they are, so the number of stages must not show.
TEST_P(SameBits, OnOneTwoAndFourWorkers) {
  ScopedDir dir;
  for (const std::string workers : {"1", "2", "4"}) {
    std::vector<std::string> more = GetParam();
    more.insert(more.end(), {"--workers", workers});
    const CommandResult result = RunCommand(Quantize(dir / workers, more));
    ASSERT_EQ(result.exit_code, 0) << result.err << result.out;
  }
  ExpectSameTensors(dir / "1", dir / "2");
  ExpectSameTensors(dir / "1", dir / "4");
}

INSTANTIATE_TEST_SUITE_P(
    Jobs, SameBits,
    testing::Values(std::vector<std::string>{"--method", "gptq", "--bits", "4", "--group-size",
                                             "32", "--propagate", "fp"},
                    std::vector<std::string>{"--method", "gptq", "--bits", "3", "--group-size",
                                             "-1", "--asymmetric", "--propagate", "quantized",
                                             "--act-order", "static"},
                    std::vector<std::string>{"--method", "gptq", "--bits", "2", "--group-size",
                                             "32", "--dtype", "bfloat16", "--micro-batch", "3"},
                    std::vector<std::string>{"--method", "rtn", "--bits", "8", "--group-size",
                                             "-1"}));

double PerplexityOf(const nlohmann::json& job, bool quantized) {
  for (const auto& evaluation : job["evaluations"]) {
    if (evaluation["set"] == "heldout" && evaluation["quantized"] == quantized) {
      return evaluation["perplexity"];
    }
  }
  ADD_FAILURE() << "no such evaluation in " << job;
  return 0;
}

// The figures of tests/data/models/llama-tiny/golden/ppl.json: per row, asymmetric, rtn.
TEST(Quantize, PerplexitiesOfTheTinyModelAreTheKnownOnes) {
  std::ifstream file(std::string(kTinyModel) + "/golden/ppl.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  SCOPED_TRACE(golden.dump());
  ScopedDir dir;
  const CommandResult result = RunCommand(
      {"rondo",  "quantize",   "--json",         "--model", kTinyModel,     "--method",  "rtn",
       "--bits", "3",          "--group-size",   "-1",      "--asymmetric", "--workers", "2",
       "--eval", kHeldoutText, "--eval-seq-len", "256",     "--out",        dir / "out"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::string last;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) last = line;
  const nlohmann::json job = nlohmann::json::parse(last);
  EXPECT_NEAR(PerplexityOf(job, false), 26.43, 26.43 * 0.001);
  EXPECT_NEAR(PerplexityOf(job, true), 27.68, 27.68 * 0.005);
}

TEST(Quantize, SeveralFormatsGoToSubfoldersWithEveryFileOfTheModel) {
  ScopedDir dir;
  const CommandResult result =
      RunCommand(Quantize(dir / "out", {"--bits", "4", "--group-size", "32", "--export",
                                        "dense,compressed-tensors", "--workers", "2"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const std::string format : {"dense", "compressed-tensors"}) {
    for (const std::string name :
         {"config.json", "tokenizer.json", "tokenizer.model", "generation_config.json",
          "model.safetensors.index.json", "model-00001-of-00002.safetensors",
          "model-00002-of-00002.safetensors", "manifest.json"}) {
      EXPECT_TRUE(std::filesystem::exists(dir / ("out/" + format + "/" + name)))
          << format << " " << name;
    }
  }
  // Nothing but --out is left behind.
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1);
}

}  // namespace
}  // namespace rondo
