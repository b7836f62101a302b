// `rondo quantize` on the tiny models: real coordinator, agents, ranks, Gloo and files.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/format/checkpoint.h"
#include "common/io/file.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/cli_runner.h"
#include "tests/e2e/same_tensors.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Quantize(const std::string& out, const std::vector<std::string>& more,
                                  const std::string& calibration = kCalibrationText) {
  std::vector<std::string> argv = {
      "rondo", "quantize",  "--model", kTinyModel,      "--samples", "8",     "--seq-len",
      "128",   "--threads", "1",       "--calibration", calibration, "--out", out};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
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

nlohmann::json ReadJson(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

nlohmann::json LastLine(const std::string& text) {
  std::string last;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) last = line;
  return nlohmann::json::parse(last);
}

class KnownPerplexities : public testing::TestWithParam<std::string> {
 protected:
  const std::string model_ = "tests/data/models/" + GetParam();
  // The figures of transformers: per row, asymmetric, to the nearest.
  const nlohmann::json golden_ = ReadJson(model_ + "/golden/ppl.json");
  ScopedDir dir_;

  nlohmann::json Quantize(const std::string& method, const std::string& bits,
                          const std::vector<std::string>& more) {
    std::vector<std::string> argv = {
        "rondo",    "quantize",     "--json", "--model",    model_,
        "--method", method,         "--bits", bits,         "--group-size",
        "-1",       "--asymmetric", "--eval", kHeldoutText, "--eval-seq-len",
        "256",      "--threads",    "1",      "--out",      dir_ / method + bits};
    argv.insert(argv.end(), more.begin(), more.end());
    const CommandResult result = RunCommand(argv);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return LastLine(result.out);
  }

  void ExpectGolden(const nlohmann::json& job, bool quantized, const std::string& figure,
                    double tolerance) {
    const double want = golden_[figure];
    EXPECT_NEAR(PerplexityOf(job, quantized), want, want * tolerance) << figure;
  }
};

TEST_P(KnownPerplexities, OfTheModelAndOfRoundingToNearest) {
  const nlohmann::json w3 = Quantize("rtn", "3", {"--workers", "2"});
  ExpectGolden(w3, false, "fp", 0.001);
  ExpectGolden(w3, true, "W3", 0.005);
  ExpectGolden(Quantize("rtn", "4", {"--no-eval-original"}), true, "W4", 0.005);
  ExpectGolden(Quantize("rtn", "2", {"--no-eval-original"}), true, "W2", 0.005);
}

// Nearer to the original than rounding to nearest is, on the first windows.
TEST_P(KnownPerplexities, GptqIsNearerThanRoundingToNearest) {
  for (const std::string bits : {"3", "4"}) {
    const nlohmann::json job = Quantize("gptq", bits,
                                        {"--eval-windows", "40", "--calibration", kCalibrationText,
                                         "--samples", "16", "--seq-len", "256", "--workers", "2"});
    const double nearest = golden_["W" + bits].get<double>() / golden_["fp"].get<double>();
    EXPECT_LT(PerplexityOf(job, true) / PerplexityOf(job, false), 1 + 0.9 * (nearest - 1)) << bits;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, KnownPerplexities,
                         testing::Values("llama-tiny", "opt-tiny", "qwen3-tiny"),
                         [](const auto& info) {
                           return info.param.substr(0, info.param.find('-'));
                         });

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
      EXPECT_TRUE(std::filesystem::exists(dir / absl::StrCat("out/", format, "/", name)))
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

TEST(Quantize, SeveralEvaluationSetsAreNamedEverywhere) {
  ScopedDir dir;
  const std::string tokens = std::string(kTinyModel) + "/golden/tokens.npy";
  const CommandResult result = RunCommand(
      Quantize(dir / "out", {"--json", "--method", "rtn", "--group-size", "32", "--eval",
                             std::string("wiki=") + kHeldoutText, "--eval", tokens, "--eval",
                             std::string("c4=") + kCalibrationText, "--eval-seq-len", "128",
                             "--eval-windows", "4", "--report", dir / "report.html"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::ifstream file(dir / "report.html");
  std::stringstream page;
  page << file.rdbuf();
  size_t place = 0;
  for (const std::string name : {"wiki", "tokens", "c4"}) {
    EXPECT_THAT(result.out, HasSubstr("\"unit\":\"micro-batches of " + name + "\""));
    EXPECT_THAT(result.out, HasSubstr("\"set\":\"" + name + "\""));
    // In the order in which they were given.
    const size_t row = page.str().find("<td>" + name + "</td>");
    EXPECT_NE(row, std::string::npos) << name;
    EXPECT_GT(row, place) << name;
    place = row;
  }
}

// One line whose field is the whole of a text.
std::string WriteJsonLines(const std::string& path, const std::string& field,
                           const std::string& text_file) {
  const nlohmann::json line = {{"id", 7}, {field, ReadFile(text_file).value()}, {"text", "other"}};
  std::ofstream(path) << line << "\n";
  return path + ":" + field;
}

// The page holds the perplexities of a set as they are shown.
void ExpectInReport(const std::string& page, const nlohmann::json& evaluations,
                    const std::string& set) {
  const size_t row = page.find("<td>" + set + "</td>");
  ASSERT_NE(row, std::string::npos) << set;
  const std::string cells = page.substr(row, page.find("</tr>", row) - row);
  int shown = 0;
  for (const auto& evaluation : evaluations) {
    if (evaluation["set"] != set) continue;
    char perplexity[32];
    std::snprintf(perplexity, sizeof(perplexity), "%.3f", evaluation["perplexity"].get<double>());
    EXPECT_THAT(cells, HasSubstr(std::string(">") + perplexity + "<"));
    ++shown;
  }
  EXPECT_EQ(shown, 2) << set;  // of the original and of the quantized model
}

TEST(Quantize, AFieldOfJsonLinesIsAsGoodAsItsText) {
  ScopedDir dir;
  const std::string calibration =
      WriteJsonLines(dir / "calibration.jsonl", "body", kCalibrationText);
  const std::string heldout = WriteJsonLines(dir / "heldout.jsonl", "story", kHeldoutText);
  // Both texts are also what is evaluated on.
  const auto run = [&](const std::string& out, const std::string& wiki, const std::string& c4) {
    const CommandResult result =
        RunCommand(Quantize(dir / out,
                            {"--json", "--group-size", "32", "--eval", "wiki=" + wiki, "--eval",
                             "c4=" + c4, "--eval-seq-len", "128", "--eval-windows", "4",
                             "--workers", "1", "--report", dir / "report.html"},
                            c4));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return LastLine(result.out)["evaluations"];
  };
  const auto of_text = run("text", kHeldoutText, kCalibrationText);
  const auto of_lines = run("lines", heldout, calibration);
  ExpectSameTensors(dir / "text", dir / "lines");
  EXPECT_EQ(of_lines, of_text);
  const std::string page = ReadFile(dir / "report.html").value();
  ExpectInReport(page, of_lines, "wiki");
  ExpectInReport(page, of_lines, "c4");
}

}  // namespace
}  // namespace rondo
