#include "client/cli/job_options.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

// What `rondo submit ARGUMENTS` would ask for; the error CLI11 gives instead, if any.
struct Parsed {
  JobSpec spec;
  std::string error;
};

Parsed Parse(std::vector<std::string> arguments) {
  CLI::App app;
  JobOptions options;
  DeclareJobOptions(&app, &options);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 wants them so
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return {.error = error.what()};
  }
  return {.spec = ToJobSpec(options)};
}

TEST(JobOptions, DefaultsAreThoseOfTheDomain) {
  const JobSpec spec = Parse({"--model", "/m"}).spec;
  const JobSpec standard;
  EXPECT_EQ(spec.model.path, "/m");
  EXPECT_EQ(spec.calibration.path, "");
  EXPECT_EQ(spec.calibration.samples, standard.calibration.samples);
  EXPECT_EQ(spec.calibration.seq_len, standard.calibration.seq_len);
  EXPECT_EQ(spec.grid, standard.grid);
  const auto& gptq = std::get<GptqSettings>(spec.method);
  EXPECT_EQ(gptq.percdamp, GptqSettings{}.percdamp);
  EXPECT_EQ(gptq.block_size, GptqSettings{}.block_size);
  EXPECT_EQ(spec.compute.threads_per_rank, 1);
  EXPECT_EQ(spec.compute.dtype, DType::kAuto);
  EXPECT_EQ(spec.workers, 0);
  EXPECT_TRUE(spec.evaluation.original);
  EXPECT_EQ(spec.exports, standard.exports);
}

TEST(JobOptions, EveryOptionArrives) {
  const JobSpec spec = Parse({"--model",
                              "/m/",
                              "--method",
                              "gptq",
                              "--bits",
                              "3",
                              "--group-size",
                              "-1",
                              "--asymmetric",
                              "--percdamp",
                              "0.05",
                              "--act-order",
                              "static",
                              "--propagate",
                              "quantized",
                              "--calibration",
                              "/c.txt",
                              "--samples",
                              "32",
                              "--seq-len",
                              "512",
                              "--seed",
                              "7",
                              "--workers",
                              "4",
                              "--export",
                              "dense,compressed-tensors",
                              "--dtype",
                              "bfloat16",
                              "--threads",
                              "2",
                              "--micro-batch",
                              "5",
                              "--block-size",
                              "64",
                              "--eval",
                              "wiki=/w.npy",
                              "--eval",
                              "/held.out.txt",
                              "--eval-seq-len",
                              "256",
                              "--eval-windows",
                              "40",
                              "--no-eval-original"})
                           .spec;
  EXPECT_EQ(spec.model.path, "/m");
  EXPECT_EQ(spec.calibration.path, "/c.txt");
  EXPECT_EQ(spec.calibration.samples, 32);
  EXPECT_EQ(spec.calibration.seq_len, 512);
  EXPECT_EQ(spec.calibration.seed, 7u);
  EXPECT_EQ(spec.grid, (GridSpec{3, -1, false}));
  const auto& gptq = std::get<GptqSettings>(spec.method);
  EXPECT_EQ(gptq.percdamp, 0.05);
  EXPECT_EQ(gptq.act_order, ActOrder::kStatic);
  EXPECT_EQ(gptq.propagate, Propagate::kQuantized);
  EXPECT_EQ(gptq.block_size, 64);
  EXPECT_EQ(spec.compute.dtype, DType::kBFloat16);
  EXPECT_EQ(spec.compute.threads_per_rank, 2);
  EXPECT_EQ(spec.compute.micro_batch, 5);
  EXPECT_EQ(spec.workers, 4);
  ASSERT_EQ(spec.evaluation.sets.size(), 2u);
  EXPECT_EQ(spec.evaluation.sets[0].name, "wiki");
  EXPECT_EQ(spec.evaluation.sets[0].path, "/w.npy");
  EXPECT_EQ(spec.evaluation.sets[1].name, "held.out");
  EXPECT_EQ(spec.evaluation.sets[1].path, "/held.out.txt");
  EXPECT_EQ(spec.evaluation.seq_len, 256);
  EXPECT_EQ(spec.evaluation.windows, 40);
  EXPECT_FALSE(spec.evaluation.original);
  EXPECT_EQ(spec.exports,
            (std::vector<ExportFormat>{ExportFormat::kDense, ExportFormat::kCompressedTensors}));
}

TEST(JobOptions, RelativePathsBecomeAbsolute) {
  const JobSpec spec = Parse({"--model", "models/../m", "--calibration", "c.txt"}).spec;
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(spec.model.path, here + "/m");
  EXPECT_EQ(spec.calibration.path, here + "/c.txt");
}

TEST(JobOptions, RtnAndSymmetric) {
  const JobSpec spec = Parse({"--model", "/m", "--method", "rtn", "--symmetric"}).spec;
  EXPECT_TRUE(std::holds_alternative<RtnSettings>(spec.method));
  EXPECT_TRUE(spec.grid.symmetric);
}

TEST(JobOptions, LeavesBitsToTheService) {
  EXPECT_EQ(Parse({"--model", "/m", "--bits", "5"}).spec.grid.bits, 5);
}

TEST(JobOptions, RefusesWithTheOptionTheValueAndWhatIsAccepted) {
  EXPECT_EQ(Parse({"--model", "/m", "--method", "hqq"}).error,
            "--method: \"hqq\" is not one of gptq|rtn");
  EXPECT_EQ(Parse({"--model", "/m", "--export", "dense,gguf"}).error,
            "--export: \"gguf\" is not one of dense|compressed-tensors");
  EXPECT_EQ(Parse({"--model", "/m", "--samples", "0"}).error,
            "--samples: 0 is too small; use 1 or more");
  EXPECT_EQ(Parse({"--model", "/m", "--group-size", "0"}).error,
            "--group-size: 0 is no group; use -1 for a whole row, or a number of columns");
  EXPECT_THAT(Parse({"--model", "/m", "--symmetric", "--asymmetric"}).error,
              HasSubstr("--asymmetric"));
  EXPECT_THAT(Parse({}).error, HasSubstr("--model"));
}

TEST(JobOptions, EvaluationOnly) {
  EvaluationOptions evaluation;
  evaluation.sets = {"a=/a.txt"};
  const JobSpec spec = ToEvaluationSpec("/m", evaluation, {.threads = 2, .workers = 1});
  EXPECT_TRUE(std::holds_alternative<EvaluateOnly>(spec.method));
  EXPECT_TRUE(spec.exports.empty());
  EXPECT_EQ(spec.evaluation.sets[0].name, "a");
  EXPECT_EQ(spec.compute.threads_per_rank, 2);
}

}  // namespace
}  // namespace rondo
