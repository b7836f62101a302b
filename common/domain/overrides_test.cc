#include "common/domain/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/domain/validate.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;

TEST(MatchesPattern, StarsAndQuestionMarks) {
  const std::string name = "model.layers.10.mlp.down_proj";
  for (const std::string pattern :
       {"*", "*.down_proj", "model.layers.10.*", "model.layers.1?.mlp.down_proj",
        "model.*.mlp.*_proj", "**down*", "model.layers.10.mlp.down_proj", "*.mlp.*"}) {
    EXPECT_TRUE(MatchesPattern(pattern, name)) << pattern;
  }
  for (const std::string pattern :
       {"", "?", "down_proj", "model.layers.1.*", "*.down", "model.layers.10.mlp.down_proj?",
        "*.down_proj.*", "Model*", "*a*a*a*a*a*a*a*a*a*b"}) {
    EXPECT_FALSE(MatchesPattern(pattern, name)) << pattern;
  }
}

TEST(Overrides, TheLastMatchDecidesAlone) {
  const GridSpec job = {4, 128, false};
  const std::vector<LayerOverride> overrides = {
      {.pattern = "*", .method = LayerMethod::kRtn},
      {.pattern = "*.down_proj", .bits = 8, .group_size = 64},
      {.pattern = "*.layers.0.*", .skip = true},
      {.pattern = "*.layers.0.mlp.down_proj", .bits = 3}};
  const auto settings = [&](const std::string& name) { return SettingsOf(job, overrides, name); };
  EXPECT_EQ(settings("m.layers.1.q_proj").grid, job);
  EXPECT_EQ(settings("m.layers.1.q_proj").method, LayerMethod::kRtn);
  EXPECT_EQ(settings("m.layers.1.mlp.down_proj").grid, (GridSpec{8, 64, false}));
  EXPECT_FALSE(settings("m.layers.1.mlp.down_proj").method.has_value());
  EXPECT_TRUE(settings("m.layers.0.q_proj").skip);
  EXPECT_FALSE(settings("m.layers.0.mlp.down_proj").skip);
  EXPECT_EQ(settings("m.layers.0.mlp.down_proj").grid, (GridSpec{3, 128, false}));
}

ModelLayout SmallLayout() {
  ModelLayout layout;
  layout.layer_prefix = "model.layers.";
  layout.linears = {{"up", 64, 32, false, 0}, {"down", 32, 96, false, 1}};
  return layout;
}

TEST(Overrides, CountsWhatEachMatches) {
  const std::vector<LayerOverride> overrides = {
      {.pattern = "*.down", .skip = true}, {.pattern = "*.1.*", .bits = 8}, {.pattern = "x"}};
  EXPECT_THAT(CountMatches(overrides, SmallLayout(), 3), ElementsAre(3, 2, 0));
}

TEST(Overrides, InWords) {
  EXPECT_EQ(Describe({.pattern = "*", .skip = true}), "skipped");
  EXPECT_EQ(Describe({.pattern = "*", .bits = 8, .group_size = 64, .method = LayerMethod::kRtn}),
            "8 bits, groups of 64, rtn");
  EXPECT_EQ(Describe({.pattern = "*", .group_size = -1}), "per row");
}

JobSpec SpecWith(const std::vector<LayerOverride>& overrides, const MethodSettings& method) {
  JobSpec spec;
  spec.model.path = "/m";
  spec.calibration.path = "/c.txt";
  spec.grid.group_size = 32;
  spec.method = method;
  spec.overrides = overrides;
  return spec;
}

TEST(Overrides, RefusedWithThePatternTheValueAndWhatWouldBeRight) {
  struct Case {
    LayerOverride change;
    MethodSettings method;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{.bits = 8}, GptqSettings{}, "an override's pattern has 0 bytes; it must have 1 to 512"},
      {{.pattern = "a"},
       GptqSettings{},
       "override \"a\" says nothing; give skip, bits, group_size or method"},
      {{.pattern = "a", .skip = true, .bits = 3},
       GptqSettings{},
       "override \"a\" skips layers and has settings for them; give one of the two"},
      {{.pattern = "a", .bits = 5},
       GptqSettings{},
       "override \"a\": grid.bits is 5; it must be 2, 3, 4 or 8"},
      {{.pattern = "a", .group_size = -2},
       GptqSettings{},
       "override \"a\": grid.group_size is -2; it must be -1 (the whole row) or positive"},
      {{.pattern = "a", .method = LayerMethod::kGptq},
       RtnSettings{},
       "override \"a\" has method gptq in a job of method rtn; make gptq the job's method and "
       "override the other layers with rtn"},
      {{.pattern = "a", .method = LayerMethod::kRtn},
       LearnedRoundingSettings{},
       "override \"a\" has method rtn, but vqround trains all layers together; leave the method "
       "out, or skip the layers"},
      {{.pattern = "a", .group_size = 12},
       LearnedRoundingSettings{},
       "override \"a\" has group_size 12; it must be a multiple of codebook.dim, 8, or -1"}};
  for (const Case& bad : cases) {
    EXPECT_EQ(Validate(SpecWith({bad.change}, bad.method)),
              absl::InvalidArgumentError(bad.message));
  }
  JobSpec evaluate = SpecWith({{.pattern = "a", .skip = true}}, EvaluateOnly{});
  EXPECT_EQ(Validate(evaluate),
            absl::InvalidArgumentError(
                "an evaluation-only job quantizes nothing; leave overrides empty"));
}

TEST(Overrides, CheckedAgainstTheModel) {
  const auto check = [](const std::vector<LayerOverride>& overrides) {
    return ValidateForModel(SpecWith(overrides, GptqSettings{}), SmallLayout(), 3);
  };
  EXPECT_TRUE(check({}).ok());
  EXPECT_EQ(check({{.pattern = "*.middle", .skip = true}}),
            absl::InvalidArgumentError("override \"*.middle\" matches no linear layer of the "
                                       "model; their names are like model.layers.0.up"));
  EXPECT_EQ(check({{.pattern = "*.2.down", .group_size = 64}}),
            absl::InvalidArgumentError(
                "override \"*.2.down\": group_size 64 does not divide the 96 inputs of "
                "model.layers.2.down; choose a divisor such as 32 or -1 for the whole row"));
  EXPECT_EQ(
      check({{.pattern = "*", .skip = true}}),
      absl::InvalidArgumentError("the overrides skip all linear layers; leave one to quantize"));
  EXPECT_TRUE(check({{.pattern = "*", .skip = true}, {.pattern = "*.up", .bits = 2}}).ok());
  // A group size of the job that does not fit where it does not hold is no error.
  JobSpec spec = SpecWith({{.pattern = "*.up", .skip = true}}, GptqSettings{});
  spec.grid.group_size = 48;
  EXPECT_TRUE(ValidateForModel(spec, SmallLayout(), 3).ok());
}

}  // namespace
}  // namespace rondo
