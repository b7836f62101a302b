// What is LLaMA's own, and what one family shows of all; decoder_test.cc has the rest.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/model/decoder.h"
#include "worker/model/model_fixture.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LlamaTest : public ::testing::Test {
 protected:
  ModelFixture model_{"llama-tiny"};
};

TEST_F(LlamaTest, WhatTheObserverSeesExplainsTheOutput) {
  const auto stage = model_.Load({0, 1, true, false});
  const at::Tensor tokens = model_.Tokens();
  const at::Tensor hidden = *stage->Embed(tokens);
  InputRecorder observer;
  const at::Tensor out = ModelFixture::Run(*stage, hidden, &observer);
  const std::vector<Linear>& linears = stage->layers()[0]->linears();
  const at::Tensor residual =
      hidden.view({-1, 128}) + at::linear(observer.seen[1], linears[3].weight);
  const at::Tensor want = residual + at::linear(observer.seen[3], linears[6].weight);
  EXPECT_TRUE(at::allclose(out.view({-1, 128}), want, 1e-4, 1e-5));
}

TEST_F(LlamaTest, AnObserversErrorEndsThePass) {
  const auto stage = model_.Load({0, 1, true, false});
  InputRecorder observer;
  observer.result = absl::InvalidArgumentError("enough");
  const at::Tensor tokens = at::zeros({1, 8}, at::kLong);
  const auto out = stage->layers()[0]->Forward(*stage->Embed(tokens), &observer);
  EXPECT_EQ(out.status(), observer.result);
  EXPECT_THAT(observer.inputs, ElementsAre(0));
}

TEST_F(LlamaTest, ReplacedWeightsAreUsed) {
  const auto stage = model_.Load({0, 1, true, false});
  const at::Tensor hidden = *stage->Embed(at::arange(8, at::kLong).view({1, 8}));
  std::vector<Linear>& linears = stage->layers()[0]->linears();
  for (int i : {3, 6}) linears[i].weight = at::zeros_like(linears[i].weight);
  EXPECT_TRUE(at::equal(ModelFixture::Run(*stage, hidden), hidden));
}

TEST_F(LlamaTest, LayersOutsideTheModelAreRefused) {
  const auto stage =
      LoadStage(model_.checkpoint(), model_.config(), {2, 9, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()), HasSubstr("[2, 9)"));
}

TEST_F(LlamaTest, AMisshapenTensorIsNamed) {
  model_.config().intermediate_size = 353;
  const auto stage =
      LoadStage(model_.checkpoint(), model_.config(), {1, 2, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()),
              HasSubstr("model.layers.1.mlp.gate_proj.weight has shape [352, 128]"));
}

TEST_F(LlamaTest, AMissingTensorIsNamed) {
  model_.config().attention_bias = true;
  const auto stage =
      LoadStage(model_.checkpoint(), model_.config(), {0, 1, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()),
              HasSubstr("model.layers.0.self_attn.q_proj.bias"));
}

}  // namespace
}  // namespace rondo
