// --override through `rondo quantize` and `rondo plan`: which settings hold for which layer shows
// in the weights.
#include <algorithm>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"
#include "tests/e2e/cli_runner.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

class Overrides : public testing::Test {
 protected:
  // The dense weights of the job are in the folder `name`.
  void Quantize(const std::string& name, const Arguments& more, const std::string& bits = "4",
                const std::string& group_size = "32") {
    Arguments argv = {"rondo",     "quantize", "--model",      kTinyModel, "--bits",
                      bits,        "--export", "dense",        "--out",    dir_ / name,
                      "--threads", "1",        "--group-size", group_size};
    argv.insert(argv.end(), more.begin(), more.end());
    const CommandResult result = RunCommand(argv);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  Checkpoint Open(const std::string& name) { return Checkpoint::Open(dir_ / name).value(); }

  // Every tensor of `a` is that of the checkpoint which `of` chooses by the tensor's name.
  static void ExpectTensors(const Checkpoint& a,
                            const std::function<const Checkpoint&(const std::string&)>& of) {
    for (const std::string& name : a.names()) {
      EXPECT_TRUE(std::ranges::equal(a.Find(name)->data, of(name).Find(name)->data)) << name;
    }
  }

  static bool Has(const std::string& name, const std::string& part) {
    return name.find(part) != std::string::npos;
  }

  static bool SameWeights(const Checkpoint& a, const Checkpoint& b, const std::string& name) {
    return std::ranges::equal(a.Find(name)->data, b.Find(name)->data);
  }

  ScopedDir dir_;
  const Checkpoint original_ = Checkpoint::Open(kTinyModel).value();
};

constexpr char kDown[] = "model.layers.1.mlp.down_proj.weight";

TEST_F(Overrides, BitsGroupSizeAndSkip) {
  Quantize("plain", {"--method", "rtn"});
  Quantize("fine", {"--method", "rtn"}, "8", "16");
  Quantize("mixed", {"--method", "rtn", "--workers", "2", "--override",
                     "*.down_proj:bits=8,group_size=16", "--override", "model.layers.0.*:skip"});
  const Checkpoint plain = Open("plain"), fine = Open("fine");
  ASSERT_FALSE(SameWeights(plain, fine, kDown));
  ExpectTensors(Open("mixed"), [&](const std::string& name) -> const Checkpoint& {
    if (Has(name, "layers.0.")) return original_;
    return Has(name, "down_proj") ? fine : plain;
  });
}

const Arguments kCalibrated = {"--calibration", kCalibrationText, "--samples", "8", "--seq-len",
                               "128",           "--propagate",    "fp"};

TEST_F(Overrides, MethodOfSomeLayers) {
  Quantize("rtn", {"--method", "rtn"});
  Quantize("gptq", kCalibrated);
  Arguments more = kCalibrated;
  more.insert(more.end(),
              {"--override", "*.down_proj:method=rtn", "--override", "*.q_proj:method=rtn",
               "--override", "*.0.self_attn.q_proj:method=gptq"});
  Quantize("mixed", more);
  const Checkpoint rtn = Open("rtn"), gptq = Open("gptq");
  ASSERT_FALSE(SameWeights(rtn, gptq, kDown));
  ExpectTensors(Open("mixed"), [&](const std::string& name) -> const Checkpoint& {
    const bool nearest = Has(name, "down_proj") || (Has(name, "q_proj") && !Has(name, "layers.0."));
    return nearest ? rtn : gptq;
  });
}

class LearnedOverrides : public Overrides, public testing::WithParamInterface<Arguments> {};

TEST_P(LearnedOverrides, SkippedLayersKeepTheirWeights) {
  Arguments more = {"--calibration", kCalibrationText,
                    "--samples",     "8",
                    "--seq-len",     "64",
                    "--steps",       "3",
                    "--override",    "*.up_proj:skip",
                    "--override",    "*.v_proj:bits=2,group_size=16",
                    "--override",    "model.layers.0.*:skip"};
  more.insert(more.end(), GetParam().begin(), GetParam().end());
  Quantize("out", more);
  const Checkpoint out = Open("out");
  for (const std::string& name : out.names()) {
    if (!Has(name, "_proj")) continue;
    const bool skipped = Has(name, "layers.0.") || Has(name, "up_proj");
    EXPECT_EQ(SameWeights(out, original_, name), skipped) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, LearnedOverrides,
    testing::Values(Arguments{"--method", "vqround", "--workers", "2"},
                    Arguments{"--method", "vqround", "--codebook-scope", "layer", "--start",
                              "fractional"},
                    Arguments{"--method", "vqround", "--codebook-scope", "model"},
                    Arguments{"--method", "adaround", "--objective", "block+e2e"},
                    Arguments{"--method", "lora-round", "--init", "rtn"}));

TEST_F(Overrides, ThePlanShowsThem) {
  const Arguments argv = {"rondo",      "plan",         "--model", kTinyModel,   "--method",
                          "rtn",        "--group-size", "32",      "--override", "*.q_proj:bits=8",
                          "--override", "*.3.*:skip"};
  const CommandResult result = RunCommand(argv);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("*.q_proj: 8 bits; matches 4 linear layers\n"));
  EXPECT_THAT(result.out, HasSubstr("*.3.*: skipped; matches 7 linear layers\n"));
}

TEST_F(Overrides, APatternThatMatchesNothingIsRefused) {
  const CommandResult result =
      RunCommand({"rondo", "quantize", "--model", kTinyModel, "--method", "rtn", "--group-size",
                  "32", "--out", dir_ / "out", "--override", "layers.*:skip"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err,
              testing::EndsWith("rondo: override \"layers.*\" matches no linear layer of the "
                                "model; their names are like model.layers.0.self_attn.q_proj\n"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
}

}  // namespace
}  // namespace rondo
