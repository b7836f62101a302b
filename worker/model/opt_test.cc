// What is OPT's own; decoder_test.cc has the rest.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/model/decoder.h"
#include "worker/model/model_fixture.h"

namespace rondo {
namespace {

TEST(OptTest, WindowsBeyondTheTableOfPositionsAreRefused) {
  const auto stage = ModelFixture("opt-post-norm").Load({0, 0, true, false});
  EXPECT_TRUE(stage->Embed(at::zeros({1, 32}, at::kLong)).ok());
  EXPECT_EQ(
      stage->Embed(at::zeros({1, 33}, at::kLong)).status(),
      absl::InvalidArgumentError("a window of 33 tokens is longer than the model's 32 positions"));
}

// Hidden states of a model of the 350M kind leave through project_out.
TEST(OptTest, TheHeadIsAsWideAsTheEmbedding) {
  const auto stage = ModelFixture("opt-post-norm").Load({2, 2, false, true});
  EXPECT_EQ(stage->FinalHidden(at::ones({1, 5, 48}))->sizes(), at::IntArrayRef({1, 5, 32}));
  EXPECT_EQ(stage->head().sizes(), at::IntArrayRef({300, 32}));
}

// A model without biases, norm after the last layer or shared embedding names what it misses.
TEST(OptTest, TensorsFollowTheConfig) {
  ModelFixture model("opt-tiny");
  model.config().tie_word_embeddings = false;
  const StageRange last = {4, 4, false, true};
  const auto untied =
      LoadStage(model.checkpoint(), model.config(), last, at::kFloat, at::kCPU).status();
  EXPECT_EQ(untied, absl::InvalidArgumentError("the checkpoint holds no tensor lm_head.weight"));
  model.config().tie_word_embeddings = true;
  model.config().final_norm = false;
  const at::Tensor x = at::randn({2, 128});
  EXPECT_TRUE(at::equal(*model.Load(last)->FinalHidden(x), x));
}

}  // namespace
}  // namespace rondo
