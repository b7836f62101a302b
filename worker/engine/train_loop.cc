#include "worker/engine/train_loop.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "worker/engine/replicas.h"

namespace rondo {
namespace {

constexpr int64_t kReports = 100;  // at most, of one training

// Every `replicas`-th window of the step's batch.
std::vector<int64_t> StepWindows(const RankContext& ctx, const TrainingSettings& settings,
                                 int64_t step, int64_t windows) {
  std::vector<int64_t> own;
  for (int64_t i = ctx.replica(); i < settings.batch; i += ctx.replicas()) {
    own.push_back((step * settings.batch + i) % windows);
  }
  return own;
}

// Since the former report.
struct Totals {
  double divergence = 0;
  double regulariser = 0;
  int64_t steps = 0;
};

class StepReporter {
 public:
  StepReporter(const RankContext& ctx, const Training& training, int64_t tokens_per_step)
      : ctx_(ctx), training_(training), tokens_per_step_(tokens_per_step) {
    every_ = std::max<int64_t>(1, training.settings.steps / kReports);
    begin_ = last_ = ctx.reporter->Seconds();
    first_step_ = training.step;
  }

  // Collective among the stages of a replica.
  absl::Status Add(double divergence, double regulariser) {
    totals_.divergence += divergence;
    totals_.regulariser += regulariser;
    ++totals_.steps;
    const int64_t steps = training_.settings.steps;
    ctx_.reporter->ReportProgress(Phase::kFinetune, training_.step, steps, "steps");
    if (training_.step % every_ != 0 && training_.step != steps) return absl::OkStatus();
    at::Tensor sums = at::tensor({totals_.divergence, totals_.regulariser,
                                  static_cast<double>(DecidedWeights(*training_.layers)),
                                  static_cast<double>(TrainedWeights(*training_.layers))},
                                 at::TensorOptions().dtype(at::kDouble).device(ctx_.device));
    ASSIGN_OR_RETURN(sums, SumOverStages(ctx_, sums));
    if (ctx_.last()) Report(sums.cpu());
    totals_ = Totals();
    return absl::OkStatus();
  }

 private:
  void Report(const at::Tensor& sums) {
    const double* sum = sums.const_data_ptr<double>();
    const TrainingSettings& settings = training_.settings;
    const double now = ctx_.reporter->Seconds();
    const double tokens = static_cast<double>(tokens_per_step_ * totals_.steps);
    TrainingStep event;
    event.step = training_.step;
    event.steps = settings.steps;
    event.objective = "e2e";
    // This replica's part of the batch stands for all of it.
    event.divergence = sum[0] / tokens * ctx_.replicas();
    event.regulariser = sum[1] / static_cast<double>(totals_.steps);
    event.loss = event.divergence + RoundWeightAt(settings, training_.step - 1) *
                                        event.regulariser * static_cast<double>(totals_.steps) *
                                        static_cast<double>(settings.batch) / tokens;
    event.decided = sum[2] / sum[3];
    event.learning_rate = LearningRateAt(settings, training_.step - 1);
    event.tokens_per_second = tokens / std::max(now - last_, 1e-9);
    event.seconds_left = (now - begin_) / static_cast<double>(training_.step - first_step_) *
                         static_cast<double>(settings.steps - training_.step);
    ctx_.reporter->Event(std::move(event));
    last_ = now;
  }

  const RankContext& ctx_;
  const Training& training_;
  int64_t tokens_per_step_, every_, first_step_;
  double begin_, last_;
  Totals totals_;
};

}  // namespace

int64_t TrainedWeights(const std::vector<RoundedLayer>& layers) {
  int64_t total = 0;
  for (const RoundedLayer& layer : layers) {
    for (const auto& linear : layer.linears) total += linear->weights();
  }
  return total;
}

int64_t TrainedParameters(const std::vector<RoundedLayer>& layers) {
  int64_t total = 0;
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) {
      for (const Parameter& parameter : variables->parameters()) total += parameter.value.numel();
    }
  }
  return total;
}

void SetForward(const std::vector<RoundedLayer>& layers, bool hard) {
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) variables->SetForward(hard);
  }
}

int64_t DecidedWeights(const std::vector<RoundedLayer>& layers) {
  int64_t total = 0;
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) total += variables->Decided();
  }
  return total;
}

double UpdateVariables(const Training& training) {
  const TrainingSettings& settings = training.settings;
  const Regulariser regulariser = {RoundWeightAt(settings, training.step),
                                   BetaAt(settings, training.step)};
  const double rate = LearningRateAt(settings, training.step);
  at::Tensor value = at::zeros({}, at::kDouble);
  for (const RoundedLayer& layer : *training.layers) {
    for (const auto& variables : layer.variables) {
      value = variables->FinishStep(regulariser).add_(value);
      for (Parameter& parameter : variables->parameters()) {
        AdamStep(training.step + 1, rate, &parameter);
      }
    }
  }
  return value.item<double>();
}

absl::Status TrainEndToEnd(const RankContext& ctx, int64_t windows, int64_t seq_len,
                           TrainPipeline* pipeline, Training* training,
                           const AfterStep& after_step) {
  const TrainingSettings& settings = training->settings;
  StepReporter reporter(ctx, *training, settings.batch * seq_len);
  while (training->step < settings.steps) {
    SetForward(*training->layers, IsHardForward(settings, training->step));
    const std::vector<int64_t> own = StepWindows(ctx, settings, training->step, windows);
    ASSIGN_OR_RETURN(const double loss,
                     pipeline->Run(own, 1.0 / static_cast<double>(settings.batch)));
    RETURN_IF_ERROR(SumOverReplicas(ctx, *training->layers));
    const double regulariser = UpdateVariables(*training);
    ++training->step;
    RETURN_IF_ERROR(reporter.Add(loss, regulariser));
    RETURN_IF_ERROR(after_step());
  }
  return absl::OkStatus();
}

}  // namespace rondo
