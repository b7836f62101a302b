#include "worker/engine/train_blocks.h"

#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/engine/flop.h"
#include "worker/engine/replicas.h"
#include "worker/engine/stream.h"
#include "worker/engine/train_loop.h"
#include "worker/model/catch_torch.h"
#include "worker/train/student.h"

namespace rondo {
namespace {

// The original model's hidden states at this stage's first layer, a tensor a window.
absl::StatusOr<std::vector<at::Tensor>> StageInputs(const RankContext& ctx, const Stage& stage,
                                                    const at::Tensor& tokens) {
  std::vector<at::Tensor> inputs;
  Pass pass;
  pass.phase = Phase::kTeacher;
  pass.on_input = [&](const MicroBatch&, const at::Tensor& hidden) -> absl::Status {
    inputs.push_back(hidden.clone());
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(StreamWindows(ctx, stage, tokens, pass));
  return inputs;
}

// Switches a layer between its own weights and those that are trained.
class LayerStudent {
 public:
  LayerStudent(const RankContext& ctx, const RoundedLayer& rounded, DecoderLayer* layer)
      : layer_(layer) {
    for (const auto& linear : rounded.linears) {
      products_.push_back(std::make_unique<StudentProduct>(linear.get(), ProductType(ctx)));
    }
  }
  ~LayerStudent() { Train(false); }
  void Train(bool on) {
    for (size_t i = 0; i < products_.size(); ++i) {
      layer_->linears()[i].product = on ? products_[i].get() : nullptr;
    }
  }

 private:
  DecoderLayer* layer_;
  std::vector<std::unique_ptr<StudentProduct>> products_;
};

// Adds the gradients of one window; returns its squared error.
absl::StatusOr<double> BlockGradient(const DecoderLayer& layer, const at::Tensor& input,
                                     const at::Tensor& target) {
  return CatchTorch("training a decoder layer", [&]() -> absl::StatusOr<double> {
    const at::AutoGradMode record(true);
    const at::Tensor x = input.detach().requires_grad_(true);
    ASSIGN_OR_RETURN(const at::Tensor y, layer.Forward(x, nullptr));
    const at::Tensor error = y.detach() - target;
    torch::autograd::backward({y}, {error});
    return error.square().sum(at::kDouble).item<double>();
  });
}

class BlockTrainer {
 public:
  BlockTrainer(const RankContext& ctx, Stage* stage, std::vector<at::Tensor> inputs)
      : ctx_(ctx), stage_(stage), inputs_(std::move(inputs)) {}

  absl::Status Train(int64_t layer, RoundedLayer* rounded) {
    LayerStudent student(ctx_, *rounded, stage_->layers()[layer].get());
    ASSIGN_OR_RETURN(std::vector<at::Tensor> targets, Targets(layer));
    student.Train(true);
    // One layer at a time: its variables are all there are.
    std::vector<RoundedLayer> own;
    own.push_back(std::move(*rounded));
    const bool skipped = own.front().variables.empty();
    absl::Status trained = skipped ? absl::OkStatus() : Steps(layer, targets, &own);
    *rounded = std::move(own.front());
    inputs_ = std::move(targets);
    return trained;
  }

 private:
  absl::StatusOr<std::vector<at::Tensor>> Targets(int64_t layer) {
    std::vector<at::Tensor> targets;
    energy_ = 0;
    for (const at::Tensor& input : inputs_) {
      ASSIGN_OR_RETURN(at::Tensor target, RunLayer(ctx_, *stage_, layer, input, nullptr));
      energy_ += (target - input).square().sum(at::kDouble).item<double>();
      targets.push_back(std::move(target));
    }
    return targets;
  }

  absl::Status Steps(int64_t layer, const std::vector<at::Tensor>& targets,
                     std::vector<RoundedLayer>* own) {
    const TrainingSettings& settings = LearnedSettings(ctx_).training;
    Training training{settings, own, 0};
    const auto windows = static_cast<int64_t>(inputs_.size());
    const double begin = ctx_.reporter->Seconds();
    double error = 0;
    for (; training.step < settings.steps; ++training.step) {
      SetForward(*own, IsHardForward(settings, training.step));
      error = 0;
      for (int64_t i = ctx_.replica(); i < settings.batch; i += ctx_.replicas()) {
        const int64_t window = (training.step * settings.batch + i) % windows;
        ASSIGN_OR_RETURN(const double part,
                         BlockGradient(*stage_->layers()[layer], inputs_[window], targets[window]));
        error += part;
      }
      RETURN_IF_ERROR(SumOverReplicas(ctx_, *own));
      UpdateVariables(training);
    }
    Report(layer, error, ctx_.reporter->Seconds() - begin, *own);
    return absl::OkStatus();
  }

  void Report(int64_t layer, double error, double seconds, const std::vector<RoundedLayer>& own) {
    const TrainingSettings& settings = LearnedSettings(ctx_).training;
    const int64_t done = layer + 1, total = ctx_.layers();
    ctx_.reporter->ReportProgress(Phase::kFinetune, done, total, "layers");
    const auto batch = static_cast<double>(settings.batch);
    TrainingStep event;
    event.step = done * settings.steps;
    event.steps = total * settings.steps;
    event.objective = "block";
    event.divergence =
        error * ctx_.replicas() * static_cast<double>(inputs_.size()) / (energy_ * batch);
    event.loss = event.divergence;
    event.decided =
        static_cast<double>(DecidedWeights(own)) / static_cast<double>(TrainedWeights(own));
    event.learning_rate = LearningRateAt(settings, settings.steps - 1);
    event.tokens_per_second = static_cast<double>(settings.steps) * batch *
                              static_cast<double>(inputs_.front().size(1)) / seconds;
    event.seconds_left = seconds * static_cast<double>(total - done);
    ctx_.reporter->Event(std::move(event));
  }

  const RankContext& ctx_;
  Stage* stage_;
  std::vector<at::Tensor> inputs_;
  double energy_ = 0;  // of what the layer adds, all windows
};

}  // namespace

absl::Status TrainBlocks(const RankContext& ctx, const at::Tensor& tokens,
                         std::vector<RoundedLayer>* layers) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, at::kFloat));
  const double begin = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(std::vector<at::Tensor> inputs, StageInputs(ctx, *stage, tokens));
  ctx.reporter->ReportPhase(Phase::kTeacher, ctx.reporter->Seconds() - begin,
                            ForwardFlop(ctx.layout, tokens.numel(), ctx.layers()));
  const double start = ctx.reporter->Seconds();
  BlockTrainer trainer(ctx, stage.get(), std::move(inputs));
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    RETURN_IF_ERROR(trainer.Train(layer, &(*layers)[layer]));
  }
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  const int64_t trained = settings.steps * settings.batch * tokens.size(1) / ctx.replicas();
  ctx.reporter->ReportPhase(Phase::kFinetune, ctx.reporter->Seconds() - start,
                            3 * ForwardFlop(ctx.layout, trained, ctx.layers()) +
                                ForwardFlop(ctx.layout, tokens.numel(), ctx.layers()));
  return absl::OkStatus();
}

}  // namespace rondo
