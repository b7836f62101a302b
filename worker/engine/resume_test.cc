// A gang ends in the midst of GPTQ; the next one, of another size, solves only what is left, and
// the result is that of a gang that did all of it.
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/gang_fixture.h"
#include "worker/engine/initialise.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  std::map<int64_t, SolvedLayer> layers;     // by layer of the model
  std::map<int64_t, LayerQuantized> events;  // likewise
  std::vector<std::string> notes;
  bool teacher = false;  // activations were computed
  absl::Status status;   // the first error
};

JobSpec Spec(Propagate propagate) {
  JobSpec spec;
  spec.model.path = kTinyLlama;
  spec.grid = {3, -1, false};
  GptqSettings gptq;
  gptq.propagate = propagate;
  spec.method = gptq;
  return spec;
}

// Each stage stops after `layers` of its layers, if it is told to.
Outcome Quantize(const JobSpec& spec, int stages, const std::string& folder, int64_t layers = 100,
                 uint64_t seed = 5) {
  Outcome outcome;
  std::mutex mu;
  RunGang(spec, stages, 1, [&](TestRank& own) {
    own.task.artifact_dir = folder;
    const auto quantize =
        IsSequential(spec.method) ? QuantizeSequentialLayers : QuantizeIndependentLayers;
    const absl::Status done =
        quantize(own.ctx, RandomTokens(own.ctx.config.vocab_size, seed),
                 [&](int64_t layer, SolvedLayer solved) -> absl::Status {
                   const std::scoped_lock lock(mu);
                   outcome.layers[own.ctx.stage().first_layer + layer] = std::move(solved);
                   return layer + 1 < layers ? absl::OkStatus() : absl::AbortedError("told to");
                 });
    const std::scoped_lock lock(mu);
    if (outcome.status.ok()) outcome.status = done;
    for (const LayerQuantized& event : own.Reported<LayerQuantized>()) {
      outcome.events[event.layer] = event;
    }
    for (const Note& note : own.Reported<Note>()) outcome.notes.push_back(note.message);
    for (const PhaseFinished& phase : own.Reported<PhaseFinished>()) {
      outcome.teacher = outcome.teacher || phase.phase == Phase::kTeacher;
    }
  });
  return outcome;
}

void ExpectSame(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.status, absl::OkStatus());
  EXPECT_EQ(b.status, absl::OkStatus());
  ASSERT_EQ(a.layers.size(), 4U);
  ASSERT_EQ(b.layers.size(), 4U);
  for (const auto& [layer, solved] : a.layers) {
    const SolvedLayer& other = b.layers.at(layer);
    for (size_t i = 0; i < solved.linears.size(); ++i) {
      EXPECT_TRUE(solved.linears[i].codes.equal(other.linears[i].codes)) << layer << " " << i;
      EXPECT_TRUE(solved.linears[i].grid.scale.equal(other.linears[i].grid.scale));
      EXPECT_TRUE(solved.linears[i].grid.zero_point.equal(other.linears[i].grid.zero_point));
    }
    const LayerQuantized& told = a.events.at(layer);
    const LayerQuantized& other_told = b.events.at(layer);
    ASSERT_EQ(told.linears.size(), other_told.linears.size());
    for (size_t i = 0; i < told.linears.size(); ++i) {
      EXPECT_EQ(told.linears[i].name, other_told.linears[i].name);
      EXPECT_EQ(told.linears[i].relative_error, other_told.linears[i].relative_error);
      EXPECT_EQ(told.linears[i].percdamp_used, other_told.linears[i].percdamp_used);
    }
  }
}

class ResumeTest : public testing::TestWithParam<Propagate> {
 protected:
  std::string File(int64_t layer) const {
    return dir_ / absl::StrCat("job/checkpoint/layer-0000", layer, "-step-000000.safetensors");
  }

  const JobSpec spec_ = Spec(GetParam());
  ScopedDir dir_;
};

TEST_P(ResumeTest, OnlyWhatIsLeftIsSolved) {
  const Outcome whole = Quantize(spec_, 1, dir_ / "whole");
  EXPECT_TRUE(whole.notes.empty());
  for (const int stages : {1, 2, 4}) {
    std::filesystem::remove_all(dir_ / "job");
    const Outcome half = Quantize(spec_, 1, dir_ / "job", /*layers=*/2);
    EXPECT_EQ(half.status, absl::AbortedError("told to"));
    const auto written = std::filesystem::last_write_time(File(1));
    const Outcome rest = Quantize(spec_, stages, dir_ / "job");
    ExpectSame(whole, rest);
    EXPECT_THAT(rest.notes, testing::ElementsAre("2 of 4 layers were solved by a former attempt"));
    EXPECT_EQ(std::filesystem::last_write_time(File(1)), written);
  }
}

TEST_P(ResumeTest, NothingIsComputedWhereAllIsThere) {
  const Outcome whole = Quantize(spec_, 2, dir_ / "job");
  EXPECT_TRUE(whole.teacher);
  const Outcome again = Quantize(spec_, 4, dir_ / "job");
  EXPECT_FALSE(again.teacher);
  ExpectSame(whole, again);
}

TEST_P(ResumeTest, ACorruptLayerIsSetAsideAndSolvedAgain) {
  const Outcome whole = Quantize(spec_, 1, dir_ / "job");
  std::fstream file(File(1), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.peek() ^ 1);
  file.seekp(-1, std::ios::end);
  file.put(last);
  file.close();
  const Outcome again = Quantize(spec_, 2, dir_ / "job");
  ExpectSame(whole, again);
  EXPECT_TRUE(again.teacher);
  ASSERT_EQ(again.notes.size(), 2U);
  EXPECT_THAT(again.notes, testing::Contains("3 of 4 layers were solved by a former attempt"));
  EXPECT_THAT(again.notes,
              testing::Contains(AllOf(StartsWith("layer 1 is solved again: "),
                                      HasSubstr("is corrupt: its SHA-256 is another; it was set "
                                                "aside as " +
                                                File(1) + ".corrupt"))));
  EXPECT_TRUE(FileExists(File(1)));
}

TEST_P(ResumeTest, LayersOfOtherTokensAreNotTaken) {
  Quantize(spec_, 1, dir_ / "job");
  const Outcome other = Quantize(spec_, 1, dir_ / "job", 100, /*seed=*/6);
  ASSERT_EQ(other.notes.size(), 4U);
  EXPECT_THAT(other.notes[0], HasSubstr("is of run \""));
  ExpectSame(Quantize(spec_, 1, dir_ / "fresh", 100, /*seed=*/6), other);
}

TEST_P(ResumeTest, ALayerThatIsSkippedWholeIsKeptLikeTheOthers) {
  JobSpec spec = spec_;
  spec.overrides = {{.pattern = "model.layers.1.*", .skip = true}};
  const Outcome whole = Quantize(spec, 1, dir_ / "job");
  EXPECT_EQ(whole.status, absl::OkStatus());
  const Outcome again = Quantize(spec, 2, dir_ / "job");
  EXPECT_EQ(again.status, absl::OkStatus());
  EXPECT_FALSE(again.teacher);
  ASSERT_EQ(again.layers.size(), 4U);
  for (const QuantizedLinear& linear : again.layers.at(1).linears) EXPECT_TRUE(linear.skipped());
  EXPECT_TRUE(again.events.at(1).linears.empty());
}

INSTANTIATE_TEST_SUITE_P(Propagate, ResumeTest,
                         testing::Values(Propagate::kFullPrecision, Propagate::kQuantized),
                         [](const auto& info) {
                           return info.param == Propagate::kQuantized ? "quantized" : "fp";
                         });

// What learned rounding needs of GPTQ besides its integers is kept with them.
TEST(ResumeLearnedTest, TargetsAndPushesAreKept) {
  JobSpec spec = Spec(Propagate::kFullPrecision);
  LearnedRoundingSettings learned;
  learned.init = RoundingInit::kGptq;
  learned.start = RoundingStart::kFractional;
  spec.method = learned;
  ScopedDir dir;
  const Outcome whole = Quantize(spec, 1, dir / "job");
  const Outcome again = Quantize(spec, 2, dir / "job");
  EXPECT_FALSE(again.teacher);
  ExpectSame(whole, again);
  for (const auto& [layer, solved] : whole.layers) {
    ASSERT_EQ(solved.targets.size(), 7U);
    for (size_t i = 0; i < solved.targets.size(); ++i) {
      EXPECT_TRUE(solved.targets[i].equal(again.layers.at(layer).targets[i]));
      EXPECT_TRUE(solved.pushes[i].equal(again.layers.at(layer).pushes[i]));
    }
  }
  learned.training.checkpoint_every = 0;
  spec.method = learned;
  EXPECT_TRUE(Quantize(spec, 1, dir / "none").teacher);
  EXPECT_FALSE(IsDirectory(dir / "none/checkpoint"));
}

}  // namespace
}  // namespace rondo
