#include "common/domain/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace rondo {
namespace {

JobSpec GoodSpec() {
  JobSpec spec;
  spec.model.path = "/m";
  spec.calibration.path = "/c.txt";
  return spec;
}

GptqSettings& Gptq(JobSpec& spec) { return std::get<GptqSettings>(spec.method); }

TEST(ValidateTest, AcceptsTheDefaults) {
  EXPECT_TRUE(Validate(GoodSpec()).ok()) << Validate(GoodSpec());
  JobSpec rtn = GoodSpec();
  rtn.method = RtnSettings{};
  rtn.calibration.path.clear();
  EXPECT_TRUE(Validate(rtn).ok());
  JobSpec evaluate = GoodSpec();
  evaluate.method = EvaluateOnly{};
  evaluate.exports.clear();
  evaluate.evaluation.sets = {{"wiki", "/w.npy"}};
  EXPECT_TRUE(Validate(evaluate).ok());
}

struct BadSpec {
  std::function<void(JobSpec&)> spoil;
  std::string message;
};

TEST(ValidateTest, NamesTheFieldTheValueAndWhatWouldBeRight) {
  const std::vector<BadSpec> cases = {
      {[](JobSpec& s) { s.model.path = "s3://b"; },
       "model.path is \"s3://b\"; it must be s3://BUCKET/KEY, a bucket of 3 to 63 of a-z 0-9 . - "
       "and a key without empty segments, . and .."},
      {[](JobSpec& s) { s.calibration.path = "s3://models/../c.txt"; },
       "calibration.path is \"s3://models/../c.txt\"; it must be s3://BUCKET/KEY, a bucket of 3 to "
       "63 of a-z 0-9 . - and a key without empty segments, . and .."},
      {[](JobSpec& s) { s.calibration.path = "s3://models/"; },
       "calibration.path is \"s3://models/\"; it must name an object, s3://BUCKET/KEY"},
      {[](JobSpec& s) { s.model.path.clear(); },
       "model.path is empty; give a Hugging Face model folder"},
      {[](JobSpec& s) { s.grid.bits = 5; }, "grid.bits is 5; it must be 2, 3, 4 or 8"},
      {[](JobSpec& s) { s.grid.group_size = 0; },
       "grid.group_size is 0; it must be -1 (the whole row) or positive"},
      {[](JobSpec& s) { s.calibration.path.clear(); },
       "calibration.path is empty; give a UTF-8 text file or an .npy file of token ids"},
      {[](JobSpec& s) { s.calibration.samples = -1; },
       "calibration.samples is -1; it must be 1 to 1048576"},
      {[](JobSpec& s) { s.calibration.seq_len = 1; },
       "calibration.seq_len is 1; it must be 2 to 1048576"},
      {[](JobSpec& s) { Gptq(s).percdamp = 0; },
       "gptq.percdamp is 0; it must be above 0 and at most 1"},
      {[](JobSpec& s) { Gptq(s).percdamp = std::numeric_limits<double>::quiet_NaN(); },
       "gptq.percdamp is nan; it must be above 0 and at most 1"},
      {[](JobSpec& s) { Gptq(s).block_size = 257; }, "gptq.block_size is 257; it must be 1 to 256"},
      {[](JobSpec& s) { s.compute.threads_per_rank = 0; },
       "compute.threads_per_rank is 0; it must be 1 to 256"},
      {[](JobSpec& s) { s.compute.micro_batch = 0; },
       "compute.micro_batch is 0; it must be 1 to 4096"},
      {[](JobSpec& s) { s.workers = -1; }, "workers is -1; it must be 0 to 1024"},
      {[](JobSpec& s) { s.priority = 11; }, "priority is 11; it must be -10 to 10"},
      {[](JobSpec& s) {
         s.evaluation.sets = {{"../x", "/w"}};
       },
       "evaluation set name \"../x\" must be 1 to 64 of A-Z a-z 0-9 . _ -"},
      {[](JobSpec& s) {
         s.evaluation.sets = {{"a", "/w"}, {"a", "/v"}};
       },
       "evaluation set name \"a\" is given twice; names are unique"},
      {[](JobSpec& s) { s.evaluation.windows = -2; },
       "evaluation.windows is -2; it must be 0 (all) to 1048576"},
      {[](JobSpec& s) { s.evaluation.windows = std::numeric_limits<int64_t>::max(); },
       "evaluation.windows is 9223372036854775807; it must be 0 (all) to 1048576"},
      {[](JobSpec& s) { s.exports.clear(); },
       "exports is empty; give at least one of dense, compressed-tensors"},
      {[](JobSpec& s) {
         s.exports = {ExportFormat::kDense, ExportFormat::kDense};
       },
       "exports names a format twice; name each once"},
      {[](JobSpec& s) { s.method = EvaluateOnly{}; },
       "an evaluation-only job exports nothing; leave exports empty"},
  };
  for (const BadSpec& bad : cases) {
    JobSpec spec = GoodSpec();
    bad.spoil(spec);
    EXPECT_EQ(Validate(spec), absl::InvalidArgumentError(bad.message));
  }
}

TEST(ValidateTest, GroupSizeMustDivideEveryInput) {
  ModelConfig config;
  config.model_type = "llama";
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_heads = 9;
  config.num_kv_heads = 3;
  config.head_dim = 64;
  const ModelLayout layout = *LayoutOf(config);
  JobSpec spec = GoodSpec();
  EXPECT_EQ(ValidateForModel(spec, layout, 2),
            absl::InvalidArgumentError(
                "grid.group_size 128 does not divide the 576 inputs of "
                "model.layers.*.self_attn.q_proj; choose a divisor such as 64 or -1 for the whole "
                "row"));
  // However large it is.
  spec.grid.group_size = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(ValidateForModel(spec, layout, 2),
            absl::InvalidArgumentError(
                "grid.group_size 9223372036854775807 does not divide the 576 inputs of "
                "model.layers.*.self_attn.q_proj; choose a divisor such as 64 or -1 for the whole "
                "row"));
  for (const int64_t fits : {-1, 64, 192}) {
    spec.grid.group_size = fits;
    EXPECT_TRUE(ValidateForModel(spec, layout, 2).ok()) << fits;
  }
}

}  // namespace
}  // namespace rondo
