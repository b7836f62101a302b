#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/golden/npz.h"
#include "worker/model/decoder.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kModel[] = "tests/data/models/llama-tiny";

at::Tensor ToTensor(const testing::NpyArray& array) {
  return at::tensor(array.values, at::kDouble).view(array.shape);
}

at::Tensor Golden(const std::string& name) {
  return ToTensor(testing::ReadNpy(std::string(kModel) + "/golden/" + name));
}

class RecordingObserver : public InputObserver {
 public:
  absl::Status OnInput(int input, const at::Tensor& x) override {
    inputs.push_back(input);
    seen.push_back(x.clone());
    return result;
  }
  std::vector<int> inputs;
  std::vector<at::Tensor> seen;
  absl::Status result;
};

class LlamaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto checkpoint = Checkpoint::Open(kModel);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = std::make_unique<Checkpoint>(*std::move(checkpoint));
    auto config = ReadModelConfig(kModel);
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
  }

  std::unique_ptr<Stage> Load(StageRange range, at::ScalarType dtype = at::kFloat) {
    auto stage = LoadStage(*checkpoint_, config_, range, dtype, at::kCPU);
    EXPECT_TRUE(stage.ok()) << stage.status();
    return stage.ok() ? *std::move(stage) : nullptr;
  }

  std::unique_ptr<Stage> LoadAll(at::ScalarType dtype = at::kFloat) {
    return Load({0, config_.num_layers, true, true}, dtype);
  }

  static at::Tensor Run(Stage& stage, at::Tensor hidden, InputObserver* observer = nullptr) {
    for (const auto& layer : stage.layers()) {
      auto next = layer->Forward(hidden, observer);
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok()) return hidden;
      hidden = *next;
    }
    return hidden;
  }

  std::unique_ptr<Checkpoint> checkpoint_;
  ModelConfig config_;
};

TEST_F(LlamaTest, LogitsEqualHuggingFace) {
  const auto stage = LoadAll();
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  const at::Tensor logits = *stage->Logits(Run(*stage, *stage->Embed(tokens)));
  for (int i : {0, 1}) {
    const at::Tensor want = Golden("logits_" + std::to_string(i) + ".npy").to(at::kFloat);
    const double error = (logits[i] - want).abs().max().item<double>();
    EXPECT_LT(error, 1e-4 * want.abs().max().item<double>());
  }
}

TEST_F(LlamaTest, TokenLossEqualsHuggingFace) {
  const auto stage = LoadAll();
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  const at::Tensor logits = *stage->Logits(Run(*stage, *stage->Embed(tokens)));
  const at::Tensor nll = -at::log_softmax(logits.narrow(1, 0, 127), -1)
                              .gather(-1, tokens.narrow(1, 1, 127).unsqueeze(-1))
                              .squeeze(-1);
  EXPECT_TRUE(at::allclose(nll.to(at::kDouble), Golden("nll_per_token.npy"), 1e-4, 1e-4));
}

TEST_F(LlamaTest, StagesInARowGiveTheBitsOfOne) {
  const auto whole = LoadAll();
  const auto first = Load({0, 1, true, false});
  const auto last = Load({1, config_.num_layers, false, true});
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  const at::Tensor want = *whole->Logits(Run(*whole, *whole->Embed(tokens)));
  const at::Tensor got = *last->Logits(Run(*last, Run(*first, *first->Embed(tokens))));
  EXPECT_TRUE(at::equal(want, got));
}

TEST_F(LlamaTest, ASampleDoesNotSeeItsNeighboursNorTheFuture) {
  const auto stage = LoadAll();
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  const at::Tensor all = Run(*stage, *stage->Embed(tokens));
  const at::Tensor one = Run(*stage, *stage->Embed(tokens.narrow(0, 2, 1).narrow(1, 0, 70)));
  EXPECT_TRUE(at::allclose(all.narrow(0, 2, 1).narrow(1, 0, 70), one, 1e-4, 1e-4));
}

TEST_F(LlamaTest, ThreadsDoNotChangeTheResult) {
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto stage = LoadAll(dtype);
    at::set_num_threads(2);
    const at::Tensor two = *stage->Logits(Run(*stage, *stage->Embed(tokens)));
    at::set_num_threads(1);
    const at::Tensor one = *stage->Logits(Run(*stage, *stage->Embed(tokens)));
    EXPECT_TRUE(at::equal(one, two)) << dtype;
  }
}

TEST_F(LlamaTest, BFloat16StaysClose) {
  const auto stage = LoadAll(at::kBFloat16);
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong).narrow(0, 0, 1);
  const at::Tensor logits = stage->Logits(Run(*stage, *stage->Embed(tokens)))->to(at::kFloat);
  const at::Tensor want = Golden("logits_0.npy").to(at::kFloat);
  EXPECT_EQ(logits.size(2), 1024);
  EXPECT_LT(((logits[0] - want).norm() / want.norm()).item<double>(), 0.03);
}

TEST_F(LlamaTest, ObserverSeesEachSharedInputOnce) {
  const auto stage = Load({0, 1, true, false});
  const at::Tensor tokens = Golden("tokens.npy").to(at::kLong);
  const at::Tensor hidden = *stage->Embed(tokens);
  RecordingObserver observer;
  const at::Tensor out = Run(*stage, hidden, &observer);
  ASSERT_THAT(observer.inputs, ElementsAre(0, 1, 2, 3));
  const std::vector<Linear>& linears = stage->layers()[0]->linears();
  EXPECT_THAT(observer.seen[0].sizes(), ElementsAre(4 * 128, 128));
  EXPECT_THAT(observer.seen[3].sizes(), ElementsAre(4 * 128, 352));
  // The last input and what precedes it explain the output.
  const at::Tensor residual =
      hidden.view({-1, 128}) + at::linear(observer.seen[1], linears[3].weight);
  const at::Tensor want = residual + at::linear(observer.seen[3], linears[6].weight);
  EXPECT_TRUE(at::allclose(out.view({-1, 128}), want, 1e-4, 1e-5));
}

TEST_F(LlamaTest, AnObserversErrorEndsThePass) {
  const auto stage = Load({0, 1, true, false});
  RecordingObserver observer;
  observer.result = absl::InvalidArgumentError("enough");
  const at::Tensor tokens = at::zeros({1, 8}, at::kLong);
  const auto out = stage->layers()[0]->Forward(*stage->Embed(tokens), &observer);
  EXPECT_EQ(out.status(), observer.result);
  EXPECT_THAT(observer.inputs, ElementsAre(0));
}

TEST_F(LlamaTest, ReplacedWeightsAreUsed) {
  const auto stage = Load({0, 1, true, false});
  const at::Tensor hidden = *stage->Embed(at::arange(8, at::kLong).view({1, 8}));
  std::vector<Linear>& linears = stage->layers()[0]->linears();
  for (int i : {3, 6}) linears[i].weight = at::zeros_like(linears[i].weight);
  EXPECT_TRUE(at::equal(Run(*stage, hidden), hidden));
}

TEST_F(LlamaTest, BothSpellingsOfTheConfigGiveTheSameModel) {
  const std::string dir = ::testing::TempDir() + "/transformers5";
  ASSERT_TRUE(MakeDirs(dir).ok());
  const std::string json =
      testing::ReadAll(std::string(kModel) + "/golden/config.transformers5.json");
  ASSERT_TRUE(WriteFileAtomically(JoinPath(dir, "config.json"), json).ok());
  const auto config = ReadModelConfig(dir);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model_type, config_.model_type);
  EXPECT_EQ(config->head_dim, config_.head_dim);
  EXPECT_EQ(config->num_kv_heads, config_.num_kv_heads);
  EXPECT_EQ(config->rope_theta, config_.rope_theta);
  EXPECT_EQ(config->rms_norm_eps, config_.rms_norm_eps);
  EXPECT_EQ(config->tie_word_embeddings, config_.tie_word_embeddings);
}

TEST_F(LlamaTest, LayersOutsideTheModelAreRefused) {
  const auto stage = LoadStage(*checkpoint_, config_, {2, 9, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()), HasSubstr("[2, 9)"));
}

TEST_F(LlamaTest, AMisshapenTensorIsNamed) {
  config_.intermediate_size = 353;
  const auto stage = LoadStage(*checkpoint_, config_, {1, 2, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()),
              HasSubstr("model.layers.1.mlp.gate_proj.weight has shape [352, 128]"));
}

TEST_F(LlamaTest, AMissingTensorIsNamed) {
  config_.attention_bias = true;
  const auto stage = LoadStage(*checkpoint_, config_, {0, 1, false, false}, at::kFloat, at::kCPU);
  EXPECT_EQ(stage.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stage.status().message()),
              HasSubstr("model.layers.0.self_attn.q_proj.bias"));
}

}  // namespace
}  // namespace rondo
