// A model of tests/data/models with the golden values of its golden/ folder.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "gtest/gtest.h"
#include "tests/golden/npz.h"
#include "worker/model/decoder.h"

namespace rondo {

class ModelFixture {
 public:
  explicit ModelFixture(const std::string& name) : dir_("tests/data/models/" + name) {
    auto checkpoint = Checkpoint::Open(dir_);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = std::make_unique<Checkpoint>(*std::move(checkpoint));
    auto config = ReadModelConfig(dir_);
    EXPECT_TRUE(config.ok()) << config.status();
    config_ = *config;
  }

  const std::string& dir() const { return dir_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  ModelConfig& config() { return config_; }

  at::Tensor Golden(const std::string& name) const {
    const testing::NpyArray array = testing::ReadNpy(dir_ + "/golden/" + name);
    return at::tensor(array.values, at::kDouble).view(array.shape);
  }
  at::Tensor Tokens() const { return Golden("tokens.npy").to(at::kLong); }

  std::unique_ptr<Stage> Load(const StageRange& range, at::ScalarType dtype = at::kFloat) const {
    auto stage = LoadStage(*checkpoint_, config_, range, dtype, at::kCPU);
    EXPECT_TRUE(stage.ok()) << stage.status();
    return *std::move(stage);
  }
  std::unique_ptr<Stage> LoadAll(at::ScalarType dtype = at::kFloat) const {
    return Load({0, config_.num_layers, true, true}, dtype);
  }

  static at::Tensor Run(const Stage& stage, at::Tensor hidden, InputObserver* observer = nullptr) {
    for (const auto& layer : stage.layers()) {
      auto next = layer->Forward(hidden, observer);
      EXPECT_TRUE(next.ok()) << next.status();
      hidden = *next;
    }
    return hidden;
  }
  static at::Tensor Logits(const Stage& stage, const at::Tensor& tokens) {
    return *stage.Logits(Run(stage, *stage.Embed(tokens)));
  }

 private:
  std::string dir_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ModelConfig config_;
};

// Keeps what a layer's linears read, and answers as it is told to.
class InputRecorder : public InputObserver {
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

// A parameter's name for gtest: letters, digits and underscores.
inline std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace rondo
