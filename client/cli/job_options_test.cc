#include "client/cli/job_options.h"

#include <CLI/CLI.hpp>
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

TEST(JobOptions, WhatIsInS3StaysThere) {
  const JobSpec spec =
      Parse({"--model", "s3://models/llama/", "--calibration", "s3://data/c4.jsonl:body", "--eval",
             "s3://data/wiki.txt", "--eval", "c4=s3://data/c4.txt", "--method", "vqround",
             "--teacher", "s3://models/teacher"})
          .spec;
  EXPECT_EQ(spec.model.path, "s3://models/llama/");
  EXPECT_EQ(spec.calibration.path, "s3://data/c4.jsonl:body");
  EXPECT_EQ(spec.evaluation.sets.at(0).name, "wiki");
  EXPECT_EQ(spec.evaluation.sets.at(0).path, "s3://data/wiki.txt");
  EXPECT_EQ(spec.evaluation.sets.at(1).path, "s3://data/c4.txt");
  EXPECT_EQ(std::get<LearnedRoundingSettings>(spec.method).training.teacher.path,
            "s3://models/teacher");
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
                              "--priority",
                              "-4",
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
  EXPECT_EQ(spec.priority, -4);
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

LearnedRoundingSettings ParseLearned(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--model", "/m"});
  const Parsed parsed = Parse(arguments);
  EXPECT_EQ(parsed.error, "");
  return std::get<LearnedRoundingSettings>(parsed.spec.method);
}

TEST(JobOptions, DefaultsOfLearnedRoundingAreThoseOfTheDomain) {
  const LearnedRoundingSettings given = ParseLearned({"--method", "vqround"});
  const LearnedRoundingSettings standard;
  EXPECT_EQ(given.init, standard.init);
  EXPECT_EQ(given.start, standard.start);
  EXPECT_EQ(std::get<CodebookSettings>(given.parameters).codes, CodebookSettings{}.codes);
  EXPECT_EQ(given.training.steps, standard.training.steps);
  EXPECT_EQ(given.training.forward, standard.training.forward);
  EXPECT_EQ(given.training.replicas, 0);
  EXPECT_EQ(given.training.teacher.path, "");
}

TEST(JobOptions, EveryOptionOfLearnedRoundingArrives) {
  const LearnedRoundingSettings learned = ParseLearned({"--method",
                                                        "vqround",
                                                        "--init",
                                                        "gptq",
                                                        "--percdamp",
                                                        "0.05",
                                                        "--start",
                                                        "fractional",
                                                        "--steps",
                                                        "7",
                                                        "--batch",
                                                        "4",
                                                        "--learning-rate",
                                                        "0.5",
                                                        "--warmup",
                                                        "0.25",
                                                        "--schedule",
                                                        "linear",
                                                        "--forward",
                                                        "soft-then-straight-through",
                                                        "--straight-through-share",
                                                        "0.125",
                                                        "--objective",
                                                        "block+e2e",
                                                        "--loss",
                                                        "lm",
                                                        "--temperature",
                                                        "3",
                                                        "--teacher",
                                                        "/t/",
                                                        "--teacher-top-k",
                                                        "64",
                                                        "--codebook-dim",
                                                        "4",
                                                        "--codebook-size",
                                                        "99",
                                                        "--clustering",
                                                        "linf",
                                                        "--codebook-scope",
                                                        "layer",
                                                        "--kmeans-iterations",
                                                        "5",
                                                        "--kmeans-tolerance",
                                                        "0",
                                                        "--max-codebook-share",
                                                        "0.5",
                                                        "--round-weight",
                                                        "0",
                                                        "--train-dtype",
                                                        "bfloat16",
                                                        "--checkpoint-every",
                                                        "0",
                                                        "--replicas",
                                                        "2"});
  EXPECT_EQ(learned.init, RoundingInit::kGptq);
  EXPECT_EQ(learned.gptq.percdamp, 0.05);
  EXPECT_EQ(learned.start, RoundingStart::kFractional);
  const TrainingSettings& training = learned.training;
  EXPECT_EQ(training.steps, 7);
  EXPECT_EQ(training.batch, 4);
  EXPECT_EQ(training.learning_rate, 0.5);
  EXPECT_EQ(training.warmup, 0.25);
  EXPECT_EQ(training.schedule, LearningRateSchedule::kLinear);
  EXPECT_EQ(training.forward, RoundingForward::kSoftThenStraightThrough);
  EXPECT_EQ(training.straight_through_share, 0.125);
  EXPECT_EQ(training.objective, Objective::kBlockThenEndToEnd);
  EXPECT_EQ(training.loss, TrainingLoss::kLanguageModel);
  EXPECT_EQ(training.temperature, 3);
  EXPECT_EQ(training.teacher.path, "/t");
  EXPECT_EQ(training.top_k, 64);
  EXPECT_EQ(training.round_weight, 0);
  EXPECT_EQ(training.dtype, DType::kBFloat16);
  EXPECT_EQ(training.checkpoint_every, 0);
  EXPECT_EQ(training.replicas, 2);
  const auto& codebook = std::get<CodebookSettings>(learned.parameters);
  EXPECT_EQ(codebook.dim, 4);
  EXPECT_EQ(codebook.codes, 99);
  EXPECT_EQ(codebook.clustering, Clustering::kLinf);
  EXPECT_EQ(codebook.scope, CodebookScope::kLayer);
  EXPECT_EQ(codebook.iterations, 5);
  EXPECT_EQ(codebook.tolerance, 0);
  EXPECT_EQ(codebook.max_share, 0.5);
}

TEST(JobOptions, BaselinesOfLearnedRounding) {
  EXPECT_TRUE(std::holds_alternative<DenseSettings>(
      ParseLearned({"--method", "adaround", "--init", "rtn"}).parameters));
  const auto low_rank = ParseLearned({"--method", "lora-round", "--lora-rank", "3"});
  EXPECT_EQ(std::get<LowRankSettings>(low_rank.parameters).rank, 3);
}

TEST(JobOptions, RefusesWhatTheMethodDoesNotRead) {
  const auto error = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--model", "/m", "--method"});
    return Parse(arguments).error;
  };
  EXPECT_EQ(error({"gptq", "--steps", "5"}), "--steps: --method gptq does not read it");
  EXPECT_EQ(error({"rtn", "--codebook-dim", "8"}), "--codebook-dim: --method rtn does not read it");
  EXPECT_EQ(error({"adaround", "--clustering", "l2"}),
            "--clustering: --method adaround does not read it");
  EXPECT_EQ(error({"vqround", "--lora-rank", "5"}),
            "--lora-rank: --method vqround does not read it");
  EXPECT_EQ(error({"vqround", "--init", "rtn", "--percdamp", "0.1"}),
            "--percdamp: --method vqround with --init rtn does not read it");
  EXPECT_EQ(error({"rtn", "--percdamp", "0.1"}), "");
  EXPECT_EQ(error({"vqround", "--forward", "hard"}),
            "--forward: \"hard\" is not one of soft|straight-through|soft-then-straight-through");
}

TEST(JobOptions, Overrides) {
  const JobSpec spec =
      Parse({"--model", "/m", "--override", "*.down_proj:bits=8,group_size=64,method=rtn",
             "--override", "model.layers.0.*:skip"})
          .spec;
  ASSERT_EQ(spec.overrides.size(), 2u);
  EXPECT_EQ(spec.overrides[0].pattern, "*.down_proj");
  EXPECT_EQ(spec.overrides[0].bits, 8);
  EXPECT_EQ(spec.overrides[0].group_size, 64);
  EXPECT_EQ(spec.overrides[0].method, LayerMethod::kRtn);
  EXPECT_FALSE(spec.overrides[0].skip);
  EXPECT_TRUE(spec.overrides[1].skip);
  const auto error = [](const std::string& given) {
    return Parse({"--model", "/m", "--override", given}).error;
  };
  EXPECT_EQ(error("*.down_proj"),
            "--override: \"*.down_proj\" is not PATTERN:SETTINGS, such as *.down_proj:bits=8");
  EXPECT_EQ(error("*:bits=four"),
            "--override: \"bits=four\" is not one of skip, bits=N, group_size=N, method=rtn|gptq");
  EXPECT_EQ(error("*:method=hqq"),
            "--override: \"method=hqq\" is not one of skip, bits=N, group_size=N, method=rtn|gptq");
  EXPECT_EQ(error("*:bits=4,"),
            "--override: \"\" is not one of skip, bits=N, group_size=N, method=rtn|gptq");
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
            "--method: \"hqq\" is not one of gptq|rtn|vqround|adaround|lora-round");
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
