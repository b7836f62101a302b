// VQRound and its baselines through `rondo quantize`: real coordinator, agents, ranks and files.
#include <algorithm>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/cli_runner.h"
#include "tests/e2e/same_tensors.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

Arguments Command(const std::string& model, const std::string& out, const Arguments& more,
                  const std::string& samples = "16", const std::string& seq_len = "128") {
  Arguments argv = {"rondo",
                    "quantize",
                    "--json",
                    "--model",
                    model,
                    "--bits",
                    "2",
                    "--group-size",
                    "-1",
                    "--asymmetric",
                    "--calibration",
                    kCalibrationText,
                    "--samples",
                    samples,
                    "--seq-len",
                    seq_len,
                    "--threads",
                    "1",
                    "--export",
                    "dense",
                    "--out",
                    out};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

nlohmann::json LastLine(const std::string& text) {
  std::string last;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) last = line;
  return nlohmann::json::parse(last);
}

TEST(LearnedRounding, OneTwoAndFourWorkersGiveTheSameWeights) {
  ScopedDir dir;
  for (const std::string workers : {"1", "2", "4"}) {
    const CommandResult result = RunCommand(Command(
        kTinyModel, dir / workers, {"--method", "vqround", "--steps", "20", "--workers", workers}));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  ExpectSameTensors(dir / "1", dir / "2");
  ExpectSameTensors(dir / "1", dir / "4");
}

TEST(LearnedRounding, ThePlanIsThatOfTheJob) {
  ScopedDir dir;
  Arguments argv =
      Command(kTinyModel, dir / "out", {"--method", "vqround", "--steps", "2", "--workers", "2"});
  const CommandResult job = RunCommand(argv);
  ASSERT_EQ(job.exit_code, 0) << job.err;
  argv[1] = "plan";
  const auto out = std::find(argv.begin(), argv.end(), "--out");
  argv.erase(out, out + 2);
  const CommandResult plan = RunCommand(argv);
  ASSERT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_EQ(LastLine(plan.out), LastLine(job.out)["plan"]);
}

double Perplexity(const nlohmann::json& job, bool before_training) {
  for (const auto& e : job["evaluations"]) {
    if (e["quantized"] == true && e.value("before_training", false) == before_training) {
      return e["perplexity"];
    }
  }
  ADD_FAILURE() << "no such evaluation in " << job;
  return 0;
}

class Improves : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

// Training starts at the very model that the initialisation gives, and ends at a better one.
TEST_P(Improves, OnItsStart) {
  const auto& [model, init] = GetParam();
  ScopedDir dir;
  const CommandResult result =
      RunCommand(Command("tests/data/models/" + model, dir / "out",
                         {"--method", "vqround", "--init", init, "--steps", "60", "--eval",
                          absl::StrCat("heldout=", kHeldoutText), "--eval-seq-len", "256",
                          "--eval-windows", "60", "--no-eval-original"},
                         "60", "256"));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const nlohmann::json job = LastLine(result.out);
  EXPECT_LT(Perplexity(job, false), Perplexity(job, true));
  EXPECT_GT(job["training_result"]["changed"], 0.001);
}

INSTANTIATE_TEST_SUITE_P(Models, Improves,
                         testing::Combine(testing::Values("llama-tiny", "opt-tiny", "qwen3-tiny"),
                                          testing::Values("rtn", "gptq")),
                         [](const auto& info) {
                           const std::string& model = std::get<0>(info.param);
                           return model.substr(0, model.find('-')) + "_" + std::get<1>(info.param);
                         });

class Parameters : public testing::TestWithParam<Arguments> {};

TEST_P(Parameters, AreTrainedAndReported) {
  ScopedDir dir;
  Arguments more = GetParam();
  more.insert(more.end(), {"--steps", "4", "--report", dir / "report.html"});
  const CommandResult result = RunCommand(Command(kTinyModel, dir / "out", more));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const nlohmann::json job = LastLine(result.out);
  EXPECT_GT(job["training_result"]["parameters"], 0);
  std::ifstream report(dir / "report.html");
  std::stringstream page;
  page << report.rdbuf();
  EXPECT_THAT(page.str(), HasSubstr("<svg"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Parameters,
    testing::Values(Arguments{"--method", "adaround", "--forward", "soft", "--init", "rtn"},
                    Arguments{"--method", "lora-round", "--start", "fractional"},
                    Arguments{"--method", "vqround", "--clustering", "l2", "--start", "fractional",
                              "--init", "gptq", "--forward", "soft", "--temperature", "2"},
                    Arguments{"--method", "vqround", "--clustering", "linf", "--codebook-scope",
                              "layer", "--teacher-top-k", "32"},
                    Arguments{"--method", "vqround", "--codebook-scope", "model", "--loss", "lm"},
                    Arguments{"--method", "vqround", "--objective", "block+e2e", "--batch", "2"},
                    Arguments{"--method", "vqround", "--batch", "2", "--replicas", "2", "--workers",
                              "4"}));

}  // namespace
}  // namespace rondo
