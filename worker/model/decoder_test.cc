// What holds for every family, on its models in tests/data/models.
#include "worker/model/decoder.h"

#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/model/model_fixture.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;

class DecoderTest : public ::testing::TestWithParam<std::string> {
 protected:
  void TearDown() override { at::set_num_threads(1); }
  static at::Tensor Run(const Stage& stage, const at::Tensor& hidden) {
    return ModelFixture::Run(stage, hidden);
  }
  ModelFixture model_{GetParam()};
};

TEST_P(DecoderTest, LogitsEqualHuggingFace) {
  const at::Tensor tokens = model_.Tokens().narrow(0, 0, 1);
  const at::Tensor logits = ModelFixture::Logits(*model_.LoadAll(), tokens)[0];
  const at::Tensor want = model_.Golden("logits_0.npy").to(at::kFloat);
  EXPECT_LT((logits - want).abs().max().item<double>(), 1e-4 * want.abs().max().item<double>());
}

TEST_P(DecoderTest, TokenLossEqualsHuggingFace) {
  const at::Tensor tokens = model_.Tokens();
  const int64_t predictions = tokens.size(1) - 1;
  const at::Tensor logits = ModelFixture::Logits(*model_.LoadAll(), tokens);
  const at::Tensor nll = -at::log_softmax(logits.narrow(1, 0, predictions), -1)
                              .gather(-1, tokens.narrow(1, 1, predictions).unsqueeze(-1))
                              .squeeze(-1);
  EXPECT_TRUE(at::allclose(nll.to(at::kDouble), model_.Golden("nll_per_token.npy"), 1e-4, 1e-4));
}

TEST_P(DecoderTest, StagesInARowGiveTheBitsOfOne) {
  const auto first = model_.Load({0, 1, true, false});
  const auto last = model_.Load({1, model_.config().num_layers, false, true});
  const at::Tensor tokens = model_.Tokens();
  const at::Tensor got = *last->Logits(Run(*last, Run(*first, *first->Embed(tokens))));
  EXPECT_TRUE(at::equal(ModelFixture::Logits(*model_.LoadAll(), tokens), got));
}

TEST_P(DecoderTest, ASampleDoesNotSeeItsNeighboursNorTheFuture) {
  const auto stage = model_.LoadAll();
  const at::Tensor tokens = model_.Tokens();
  const int64_t seen = tokens.size(1) * 5 / 9;
  const at::Tensor all = Run(*stage, *stage->Embed(tokens));
  const at::Tensor one = Run(*stage, *stage->Embed(tokens.narrow(0, 1, 1).narrow(1, 0, seen)));
  EXPECT_TRUE(at::allclose(all.narrow(0, 1, 1).narrow(1, 0, seen), one, 1e-4, 1e-4));
}

TEST_P(DecoderTest, ThreadsDoNotChangeTheResult) {
  const at::Tensor tokens = model_.Tokens();
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto stage = model_.LoadAll(dtype);
    at::set_num_threads(2);
    const at::Tensor two = ModelFixture::Logits(*stage, tokens);
    at::set_num_threads(1);
    EXPECT_TRUE(at::equal(ModelFixture::Logits(*stage, tokens), two)) << dtype;
  }
}

TEST_P(DecoderTest, BFloat16StaysClose) {
  const at::Tensor tokens = model_.Tokens().narrow(0, 0, 1);
  const at::Tensor logits =
      ModelFixture::Logits(*model_.LoadAll(at::kBFloat16), tokens)[0].to(at::kFloat);
  const at::Tensor want = model_.Golden("logits_0.npy").to(at::kFloat);
  EXPECT_LT(((logits - want).norm() / want.norm()).item<double>(), 0.03);
}

TEST_P(DecoderTest, ObserverSeesTheInputsOfTheLayout) {
  const auto stage = model_.Load({0, 1, true, false});
  const at::Tensor tokens = model_.Tokens();
  InputRecorder observer;
  ModelFixture::Run(*stage, *stage->Embed(tokens), &observer);
  ASSERT_THAT(observer.inputs, ElementsAre(0, 1, 2, 3));
  const ModelLayout layout = *LayoutOf(model_.config());
  for (const LinearLayout& linear : layout.linears) {
    EXPECT_THAT(observer.seen[linear.input].sizes().vec(), ElementsAre(tokens.numel(), linear.in));
  }
}

TEST_P(DecoderTest, InputsOneByOneAreThoseOfTheWholeLayer) {
  const auto stage = model_.Load({0, 1, true, false});
  DecoderLayer& layer = *stage->layers().front();
  at::Tensor hidden = *stage->Embed(model_.Tokens());
  InputRecorder whole;
  const at::Tensor want = *layer.Forward(hidden, &whole);
  InputRecorder one;
  const std::vector<Linear> linears = layer.linears();
  const ModelLayout layout = *LayoutOf(model_.config());
  for (const Block block : kBlocks) {
    for (const int input : InputsOf(block)) {
      // Linears that do not lead there are not touched.
      for (size_t i = 0; i < linears.size(); ++i) {
        if (layout.linears[i].input >= input) layer.linears()[i].weight = at::Tensor();
      }
      ASSERT_EQ(layer.ShowInput(input, hidden, &one), absl::OkStatus());
      layer.linears() = linears;
    }
    hidden = *layer.ForwardBlock(block, hidden, nullptr);
  }
  EXPECT_TRUE(at::equal(hidden, want));
  EXPECT_THAT(one.inputs, ElementsAre(0, 1, 2, 3));
  for (size_t i = 0; i < whole.seen.size(); ++i) {
    EXPECT_TRUE(at::equal(one.seen[i], whole.seen[i])) << "input " << i;
  }
}

TEST_P(DecoderTest, BothSpellingsOfTheConfigGiveTheSameModel) {
  const std::string dir = ::testing::TempDir() + "/transformers5";
  ASSERT_TRUE(MakeDirs(dir).ok());
  const std::string json = testing::ReadAll(model_.dir() + "/golden/config.transformers5.json");
  ASSERT_TRUE(WriteFileAtomically(JoinPath(dir, "config.json"), json).ok());
  const auto config = ReadModelConfig(dir);
  ASSERT_TRUE(config.ok()) << config.status();
  const at::Tensor tokens = model_.Tokens();
  const at::Tensor want = ModelFixture::Logits(*model_.LoadAll(), tokens);
  model_.config() = *config;
  EXPECT_TRUE(at::equal(ModelFixture::Logits(*model_.LoadAll(), tokens), want));
}

INSTANTIATE_TEST_SUITE_P(Models, DecoderTest,
                         ::testing::Values("llama-tiny", "opt-tiny", "opt-post-norm", "qwen3-tiny"),
                         TestName);

}  // namespace
}  // namespace rondo
