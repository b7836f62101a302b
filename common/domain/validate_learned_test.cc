#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/domain/validate.h"

namespace rondo {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

JobSpec LearnedSpec() {
  JobSpec spec;
  spec.model.path = "/m";
  spec.calibration.path = "/c.txt";
  spec.method = LearnedRoundingSettings{};
  return spec;
}

LearnedRoundingSettings& Learned(JobSpec& spec) {
  return std::get<LearnedRoundingSettings>(spec.method);
}
TrainingSettings& Training(JobSpec& spec) { return Learned(spec).training; }
CodebookSettings& Codebook(JobSpec& spec) {
  return std::get<CodebookSettings>(Learned(spec).parameters);
}

TEST(ValidateLearnedTest, AcceptsTheDefaultsAndTheBaselines) {
  JobSpec spec = LearnedSpec();
  EXPECT_TRUE(Validate(spec).ok()) << Validate(spec);
  Learned(spec).parameters = DenseSettings{};
  EXPECT_TRUE(Validate(spec).ok());
  Learned(spec).parameters = LowRankSettings{};
  EXPECT_TRUE(Validate(spec).ok());
  for (const CodebookScope scope : {CodebookScope::kLayer, CodebookScope::kModel}) {
    Learned(spec).parameters = CodebookSettings{.scope = scope};
    EXPECT_TRUE(Validate(spec).ok());
  }
}

struct BadLearnedSpec {
  std::function<void(JobSpec&)> spoil;
  std::string message;
};

void ExpectRefused(const std::vector<BadLearnedSpec>& cases) {
  for (const BadLearnedSpec& bad : cases) {
    JobSpec spec = LearnedSpec();
    bad.spoil(spec);
    EXPECT_EQ(Validate(spec), absl::InvalidArgumentError(bad.message));
  }
}

TEST(ValidateLearnedTest, NamesTheTrainingSetting) {
  const std::string positive = "; it must be a finite number above 0";
  ExpectRefused({
      {[](JobSpec& s) { Training(s).steps = 0; }, "training.steps is 0; it must be 1 to 10000000"},
      {[](JobSpec& s) { Training(s).batch = 0; }, "training.batch is 0; it must be 1 to 4096"},
      {[](JobSpec& s) { Training(s).straight_through_share = 1.5; },
       "training.straight_through_share is 1.5; it must be 0 to 1"},
      {[](JobSpec& s) { Training(s).temperature = 0; }, "training.temperature is 0" + positive},
      {[](JobSpec& s) { Training(s).top_k = -1; }, "training.top_k is -1; it must be 0 to 65536"},
      {[](JobSpec& s) { Training(s).learning_rate = 0; }, "training.learning_rate is 0" + positive},
      {[](JobSpec& s) { Training(s).learning_rate = kNan; },
       "training.learning_rate is nan" + positive},
      {[](JobSpec& s) { Training(s).learning_rate = kInfinity; },
       "training.learning_rate is inf" + positive},
      {[](JobSpec& s) { Training(s).warmup = -0.1; }, "training.warmup is -0.1; it must be 0 to 1"},
      {[](JobSpec& s) { Training(s).round_weight = -1; },
       "training.round_weight is -1; it must be 0 or a finite number above"},
      {[](JobSpec& s) { Training(s).beta_start = 0; }, "training.beta_start is 0" + positive},
      {[](JobSpec& s) { Training(s).beta_end = -2; }, "training.beta_end is -2" + positive},
      {[](JobSpec& s) { Training(s).beta_hold = kNan; },
       "training.beta_hold is nan; it must be 0 to 1"},
      {[](JobSpec& s) { Training(s).checkpoint_every = -1; },
       "training.checkpoint_every is -1; it must be 0 to 10000000"},
      {[](JobSpec& s) { Training(s).replicas = -1; },
       "training.replicas is -1; it must be 0 to 1024"},
  });
}

TEST(ValidateLearnedTest, NamesTheParameter) {
  ExpectRefused({
      {[](JobSpec& s) { Codebook(s).dim = 0; }, "codebook.dim is 0; it must be 1 to 16"},
      {[](JobSpec& s) { Codebook(s).dim = 17; }, "codebook.dim is 17; it must be 1 to 16"},
      {[](JobSpec& s) { Codebook(s).codes = 65537; },
       "codebook.codes is 65537; it must be 1 to 65536"},
      {[](JobSpec& s) { Codebook(s).iterations = 0; },
       "codebook.iterations is 0; it must be 1 to 10000"},
      {[](JobSpec& s) { Codebook(s).tolerance = -1; },
       "codebook.tolerance is -1; it must be 0 or a finite number above"},
      {[](JobSpec& s) { Codebook(s).max_share = 0; },
       "codebook.max_share is 0; it must be above 0 and at most 1"},
      {[](JobSpec& s) { s.grid.group_size = 12; },
       "codebook.dim 8 does not divide grid.group_size 12; choose a divisor such as 6"},
      {[](JobSpec& s) { Learned(s).parameters = LowRankSettings{0}; },
       "low_rank.rank is 0; it must be 1 to 4096"},
      {[](JobSpec& s) { Learned(s).gptq.percdamp = 0; },
       "gptq.percdamp is 0; it must be above 0 and at most 1"},
  });
}

TEST(ValidateLearnedTest, SettingsMustNotContradictOneAnother) {
  const std::string teacher =
      "training.teacher is given, but only loss kd with objective e2e or block+e2e reads it; "
      "leave it empty";
  ExpectRefused({
      {[](JobSpec& s) {
         Training(s).objective = Objective::kBlock;
         Training(s).loss = TrainingLoss::kLanguageModel;
       },
       "training.loss lm is of the whole model, which training.objective block never runs; use "
       "loss kd, or objective e2e or block+e2e"},
      {[](JobSpec& s) {
         Training(s).objective = Objective::kBlock;
         Training(s).teacher.path = "/t";
       },
       teacher},
      {[](JobSpec& s) {
         Training(s).loss = TrainingLoss::kLanguageModel;
         Training(s).teacher.path = "/t";
       },
       teacher},
      {[](JobSpec& s) { Training(s).dtype = DType::kFloat16; },
       "training.dtype is float16; it must be auto, float32 or bfloat16"},
      {[](JobSpec& s) { Training(s).replicas = 2; },
       "training.replicas is 2; it must be at most training.batch, 1"},
      {[](JobSpec& s) {
         Training(s).batch = 2;
         Training(s).replicas = 2;
         s.workers = 3;
       },
       "workers is 3; it must be a multiple of training.replicas, 2, or 0 to be planned"},
  });
}

TEST(ValidateLearnedTest, GptqIsNotReadWithRtn) {
  JobSpec spec = LearnedSpec();
  Learned(spec).init = RoundingInit::kRtn;
  Learned(spec).gptq.percdamp = 0;
  EXPECT_TRUE(Validate(spec).ok());
}

ModelLayout TwoLinears() {
  ModelLayout layout;
  layout.layer_prefix = "model.layers.";
  layout.linears = {{"self_attn.q_proj", 64, 64, false, 0}, {"mlp.down_proj", 64, 100, false, 1}};
  return layout;
}

TEST(ValidateLearnedTest, BlocksMustFitTheRows) {
  JobSpec spec = LearnedSpec();
  spec.grid.group_size = -1;
  EXPECT_EQ(ValidateForModel(spec, TwoLinears(), 2),
            absl::InvalidArgumentError(
                "codebook.dim 8 does not divide the 100 inputs of model.layers.*.mlp.down_proj; "
                "choose a divisor such as 4"));
  Codebook(spec).dim = 4;
  Codebook(spec).codes = 1600;
  EXPECT_TRUE(ValidateForModel(spec, TwoLinears(), 2).ok());
  Learned(spec).parameters = DenseSettings{};
  EXPECT_TRUE(ValidateForModel(spec, TwoLinears(), 2).ok());
}

TEST(ValidateLearnedTest, CodesMustNotOutnumberBlocks) {
  JobSpec spec = LearnedSpec();
  spec.grid.group_size = -1;
  Codebook(spec).dim = 4;
  Codebook(spec).codes = 1601;
  EXPECT_EQ(ValidateForModel(spec, TwoLinears(), 2),
            absl::InvalidArgumentError(
                "codebook.codes is 1601, more than the 1600 blocks of 4 weights of the largest "
                "linear layer, model.layers.*.mlp.down_proj; choose at most 1600"));
  Codebook(spec).scope = CodebookScope::kLayer;
  EXPECT_TRUE(ValidateForModel(spec, TwoLinears(), 2).ok());
  Codebook(spec).codes = 2625;
  EXPECT_EQ(ValidateForModel(spec, TwoLinears(), 2),
            absl::InvalidArgumentError("codebook.codes is 2625, more than the 2624 blocks of 4 "
                                       "weights of a decoder layer; choose at most 2624"));
}

}  // namespace
}  // namespace rondo
