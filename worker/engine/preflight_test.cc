#include "worker/engine/preflight.h"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/safetensors_writer.h"
#include "worker/engine/gang_fixture.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

JobSpec SpecOf(const std::string& model) {
  JobSpec spec;
  spec.model.path = model;
  spec.method = GptqSettings();
  return spec;
}

// The tiny LLaMA with one weight that is not a number.
std::string Damaged(const std::string& dir, const std::string& name) {
  std::filesystem::create_directories(dir);
  std::filesystem::copy_file(JoinPath(kTinyLlama, "config.json"), JoinPath(dir, "config.json"));
  const Checkpoint checkpoint = *Checkpoint::Open(kTinyLlama);
  std::vector<TensorInfo> infos;
  for (const std::string& each : checkpoint.names()) infos.push_back(checkpoint.Find(each)->info);
  const auto writer = *SafetensorsWriter::Create(JoinPath(dir, "model.safetensors"), infos, {});
  for (const TensorInfo& info : infos) {
    const auto data = checkpoint.Find(info.name)->data;
    std::vector<std::byte> bytes(data.begin(), data.end());
    // All ones is NaN in every float dtype.
    if (info.name == name) std::fill_n(bytes.begin(), 4, std::byte{0xff});
    EXPECT_TRUE(writer->Write(info.name, bytes).ok());
  }
  EXPECT_TRUE(writer->Finish().ok());
  return dir;
}

TEST(PreflightTest, GoesThroughTheWholeModelOnAnyNumberOfStages) {
  std::vector<double> perplexities;
  for (const int stages : {1, 2, 4}) {
    RunGang(SpecOf(kTinyLlama), stages, 1, [&](TestRank& own) {
      const at::Tensor tokens = RandomTokens(own.ctx.config.vocab_size);
      EXPECT_EQ(Preflight(own.ctx, tokens), absl::OkStatus());
      if (!own.ctx.last()) return;
      const auto evaluated = own.Reported<Evaluated>();
      ASSERT_EQ(evaluated.size(), 1U);
      EXPECT_EQ(evaluated[0].tokens, kSeq - 1);
      perplexities.push_back(evaluated[0].perplexity);
      // Random tokens are what it warns of.
      const auto notes = own.Reported<Note>();
      ASSERT_EQ(notes.size(), 1U);
      EXPECT_THAT(notes[0].message, HasSubstr("were they tokenized for another model?"));
    });
  }
  ASSERT_EQ(perplexities.size(), 3U);
  EXPECT_EQ(perplexities[0], perplexities[1]);
  EXPECT_EQ(perplexities[0], perplexities[2]);
}

TEST(PreflightTest, AWeightOfTheLastLayerThatIsNotANumberIsFound) {
  ScopedDir dir;
  const std::string name = "model.layers.3.mlp.down_proj.weight";
  RunGang(SpecOf(Damaged(dir / "model", name)), 1, 1, [&](TestRank& own) {
    const absl::Status status = Preflight(own.ctx, RandomTokens(own.ctx.config.vocab_size));
    EXPECT_EQ(status, absl::InvalidArgumentError(name + " holds NaN or Inf as Float"));
  });
}

TEST(PreflightTest, TheTeachersCacheNeedsRoom) {
  JobSpec spec = SpecOf(kTinyLlama);
  spec.method = LearnedRoundingSettings();
  ScopedDir dir;
  RunGang(spec, 1, 1, [&](TestRank& own) {
    own.task.cache_dir = dir / "cache";
    own.task.cache_quota_bytes = 1000;
    const at::Tensor tokens = RandomTokens(own.ctx.config.vocab_size);
    const absl::Status status = Preflight(own.ctx, tokens);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is larger than its quota, 1000 bytes"));
    own.task.cache_quota_bytes = 0;
    EXPECT_EQ(Preflight(own.ctx, tokens), absl::OkStatus());
    EXPECT_TRUE(ListFiles(dir / "cache")->empty());  // what it took it has given back
  });
}

}  // namespace
}  // namespace rondo
