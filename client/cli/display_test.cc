// What people see: numbers, tables, progress and the summary.
#include "client/cli/exit_code.h"
#include "client/cli/format.h"
#include "client/cli/progress_display.h"
#include "client/cli/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ExitCode, FollowsTheKindOfError) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::UnimplementedError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::OutOfRangeError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 5);
}

TEST(ExitCode, OfAJobFollowsItsState) {
  Job job;
  job.state = JobState::kSucceeded;
  EXPECT_EQ(ReportEnd(job), 0);
  job.state = JobState::kFailed;
  job.error = absl::InvalidArgumentError("bad");
  EXPECT_EQ(ReportEnd(job), 1);
  job.state = JobState::kCancelled;
  EXPECT_EQ(ReportEnd(job), 4);
}

TEST(Format, Numbers) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(269'060'000), "269.1 MB");
  EXPECT_EQ(FormatBytes(999'960), "1.0 MB");
  EXPECT_EQ(FormatSeconds(3.24), "3.2 s");
  EXPECT_EQ(FormatSeconds(65), "1:05");
  EXPECT_EQ(FormatSeconds(59.99), "1:00");
  EXPECT_EQ(FormatSeconds(7384), "2:03:04");
  EXPECT_EQ(FormatDate(absl::InfiniteFuture()), "-");
}

TEST(Format, TablesAlignColumns) {
  EXPECT_EQ(FormatTable({{"a", "bb"}, {"ccc", "d"}}), "a    bb\nccc  d\n");
  EXPECT_EQ(FormatTable({{"a"}}, 2), "  a\n");
}

class DisplayTest : public ::testing::Test {
 protected:
  JobEvent Event(EventBody body, double seconds) {
    return {++number_, absl::UnixEpoch() + absl::Seconds(seconds), 1, std::move(body)};
  }
  Progress Done(int64_t done) { return {Phase::kTeacher, 0, done, 100, "micro-batches"}; }
  ProgressDisplay Display(int columns) {
    return ProgressDisplay(JobId("j"), 0, columns,
                           [this](const std::string& text) { written_.push_back(text); });
  }
  int64_t number_ = 0;
  std::vector<std::string> written_;
};

TEST_F(DisplayTest, PlainLinesAreAtMostOneASecond) {
  ProgressDisplay display = Display(0);
  display.Show(Event(StateChanged{JobState::kRunning, absl::OkStatus()}, 0));
  display.Show(Event(Done(0), 1));
  display.Show(Event(Done(20), 1.5));  // too soon
  display.Show(Event(Done(25), 3));
  display.Show(Event(Done(26), 9));  // not a tenth further
  display.Show(Event(Note{Severity::kWarning, 0, "damped"}, 9.1));
  display.Show(Event(Evaluated{"wiki", true, 31.5, 10}, 9.2));
  EXPECT_THAT(written_, ElementsAre("running\n", "rank 0: teacher 0/100 micro-batches\n",
                                    "rank 0: teacher 25/100 micro-batches, 12.5/s, 6.0 s left\n",
                                    "warning of rank 0: damped\n",
                                    "perplexity on wiki, quantized: 31.500\n"));
  ASSERT_EQ(display.notes().size(), 1u);
}

TEST_F(DisplayTest, DownloadsAreTheCoordinators) {
  ProgressDisplay display = Display(0);
  display.Show(Event(Progress{Phase::kFetch, -1, 20, 80, "MB of s3://b/m"}, 1));
  display.Show(Event(Progress{Phase::kFetch, -1, 80, 80, "MB of s3://b/m"}, 3));
  display.Show(Event(SourceFetched{"s3://b/m", "/d/m", 5, 79'900'000}, 3));
  EXPECT_THAT(written_, ElementsAre("fetch 20/80 MB of s3://b/m\n",
                                    "fetch 80/80 MB of s3://b/m, 30/s, 0.0 s left\n",
                                    "fetched s3://b/m: 5 files, 79.9 MB\n"));
}

TEST_F(DisplayTest, StateLinesSayWhy) {
  ProgressDisplay display = Display(0);
  display.Show(Event(StateChanged{JobState::kFailed, absl::InternalError("layer 3: NaN")}, 0));
  EXPECT_THAT(written_, ElementsAre("failed: layer 3: NaN\n"));
}

TrainingStep Trained(int64_t step) {
  return {step, 100, "e2e", 1.25, 1, 0.25, 0.973, 0.02, 2100, 65};
}

TEST_F(DisplayTest, TrainingShowsWhereItStands) {
  ProgressDisplay display = Display(0);
  display.Show(Event(Trained(10), 1));
  display.Show(Event(Trained(20), 1.5));                                      // too soon
  display.Show(Event(Progress{Phase::kFinetune, 0, 22, 100, "steps"}, 2.9));  // says less
  display.Show(Event(Trained(25), 3));
  display.Show(Event(Trained(26), 9));  // not a tenth further
  display.Show(Event(TrainingFinished{40, 800, 0.0125, 0.1, 1.5, 2.5, 1}, 9));
  display.Show(Event(Evaluated{"wiki", true, 31.5, 10, true}, 9.2));
  EXPECT_THAT(
      written_,
      ElementsAre(
          "finetune e2e 10/100 steps, loss 1.25, decided 97.3 %, 2100 tokens/s, 1:05 left\n",
          "finetune e2e 25/100 steps, loss 1.25, decided 97.3 %, 2100 tokens/s, 1:05 left\n",
          "trained 40 parameters; 1.25 % of the weights undecided; divergence 1.5 soft, 2.5 "
          "hard\n",
          "perplexity on wiki, before training: 31.500\n"));
}

TEST_F(DisplayTest, ATerminalHasALineForTraining) {
  ProgressDisplay display = Display(120);
  display.Show(Event(Trained(50), 1));
  EXPECT_THAT(written_.back(),
              HasSubstr("  finetune e2e    [############............]  50/100 steps  loss 1.25  "
                        "decided 97.3 %  2100 tokens/s  1:05 left"));
  display.Show(Event(Progress{Phase::kFinetune, 0, 52, 100, "steps"}, 2));
  EXPECT_THAT(written_.back(), Not(HasSubstr("rank 0")));
  display.Show(Event(Trained(100), 2));
  EXPECT_THAT(written_.back(), Not(HasSubstr("finetune")));
}

TEST_F(DisplayTest, ATerminalIsRedrawnInPlace) {
  ProgressDisplay display = Display(60);
  Plan plan;
  plan.stages = {{0, 4, 0}};
  display.Show(Event(StateChanged{JobState::kRunning, absl::OkStatus()}, 0));
  display.Show(Event(PlanMade{plan}, 0));
  display.Show(Event(Done(50), 1));
  EXPECT_EQ(written_.back().substr(0, 7), "\x1b[1A\x1b[J");  // one line was there
  EXPECT_THAT(written_.back(), HasSubstr("layers quantized 0/4"));
  EXPECT_THAT(written_.back(), HasSubstr("[############............]  50/100"));
  display.Show(Event(StateChanged{JobState::kSucceeded, absl::OkStatus()}, 2));
  EXPECT_EQ(written_.back(), "\x1b[2A\x1b[Jsucceeded\n");  // nothing stays but what lasts
}

Job FinishedJob() {
  Job job;
  job.id = JobId("j");
  job.state = JobState::kSucceeded;
  job.spec.grid = {4, 128, false};
  job.plan = Plan{};
  job.plan->checkpoint_bytes = 400'000'000;
  job.artifacts = {{ExportFormat::kCompressedTensors, "model.safetensors", 100'000'000, ""},
                   {ExportFormat::kCompressedTensors, "config.json", 1000, ""}};
  job.evaluations = {{"wiki", false, 28.74, 100}, {"wiki", true, 31.5, 100}};
  job.phases = {{Phase::kTeacher, 0, 3.0, 0},
                {Phase::kTeacher, 1, 4.5, 0},
                {Phase::kEvaluate, 0, 1.0, 0},
                {Phase::kEvaluate, 0, 1.5, 0}};
  return job;
}

TEST(Summary, HasQualitySizeTimeAndWarnings) {
  const std::string text =
      Summary(FinishedJob(), {{Severity::kWarning, 0, "damped"}, {Severity::kInfo, 0, "hello"}});
  EXPECT_THAT(text, HasSubstr("perplexity  original  quantized\n  wiki      28.740    31.500\n"));
  EXPECT_THAT(text, HasSubstr("400.0 MB  original"));
  EXPECT_THAT(text, HasSubstr("100.0 MB  compressed-tensors, 4.00 times smaller, 4.156 bits a "
                              "weight in quantized layers"));
  EXPECT_THAT(text, HasSubstr("4.5 s     teacher"));
  EXPECT_THAT(text, HasSubstr("2.5 s     evaluate"));
  EXPECT_THAT(text, HasSubstr("warning: damped"));
  EXPECT_THAT(text, Not(HasSubstr("hello")));
}

TEST(Summary, OfTrainingSaysWhatItCameTo) {
  Job job = FinishedJob();
  job.evaluations.push_back({"wiki", true, 61.9, 100, true});
  job.training_result = TrainingFinished{400, 200'000, 0.0125, 0.03, 1.0, 1.2, 0};
  std::string text = Summary(job, {});
  EXPECT_THAT(text, HasSubstr("perplexity  original  before training  quantized\n"
                              "  wiki      28.740    61.900           31.500\n"));
  EXPECT_THAT(text, HasSubstr("trained     400       parameters, 0.2 % of 200000 weights\n"));
  EXPECT_THAT(text,
              HasSubstr("undecided   1.25 %    of the weights; 3 % of the decisions changed\n"));
  EXPECT_THAT(text, HasSubstr("divergence  1.2       a token; 1 before hardening\n"));
  EXPECT_THAT(text, Not(HasSubstr("warning")));
  job.training_result->hard_divergence = 1.6;
  EXPECT_THAT(Summary(job, {}),
              HasSubstr("warning: the hardened model is much worse than the soft one (divergence "
                        "1.6 a token after 1); train longer, or let it end with --forward "
                        "straight-through\n"));
}

TEST(Summary, PlansShowReplicasAndDTypes) {
  Plan plan;
  plan.stages = {{0, 2, 1000}};
  plan.replicas = 3;
  plan.training_dtype = DType::kBFloat16;
  JobSpec spec;
  spec.method = LearnedRoundingSettings{};
  EXPECT_THAT(PlanText(plan, spec),
              HasSubstr("dtype              float32\ntraining dtype     bfloat16\n"
                        "activations        computed again\nreplicas           3\n"));
  spec.method = RtnSettings{};
  EXPECT_THAT(PlanText(plan, spec), Not(HasSubstr("replicas")));
}

TEST(Summary, PlansShowEachOverride) {
  JobSpec spec;
  spec.overrides = {{.pattern = "*.down_proj", .bits = 8, .group_size = 64},
                    {.pattern = "model.layers.0.*", .skip = true}};
  Plan plan;
  plan.override_layers = {4, 7};
  const std::string text = PlanText(plan, spec);
  EXPECT_THAT(text, HasSubstr("*.down_proj: 8 bits, groups of 64; matches 4 linear layers\n"));
  EXPECT_THAT(text, HasSubstr("model.layers.0.*: skipped; matches 7 linear layers\n"));
}

TEST(Summary, LoadsWithDequantizeWhereItMust) {
  Job job = FinishedJob();
  EXPECT_THAT(HowToLoad(job, "/out"),
              HasSubstr("from_pretrained(\"/out\", "
                        "quantization_config=CompressedTensorsConfig(dequantize=True))"));
  job.spec.grid.symmetric = true;
  EXPECT_THAT(HowToLoad(job, "/out"), Not(HasSubstr("dequantize")));
  job.spec.exports = {ExportFormat::kDense, ExportFormat::kCompressedTensors};
  EXPECT_THAT(HowToLoad(job, "/out"), HasSubstr("from_pretrained(\"/out/dense\")"));
}

}  // namespace
}  // namespace rondo
