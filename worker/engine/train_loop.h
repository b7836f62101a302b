// Steps of training: gradients of a batch, their sum over replicas, one step of Adam on every
// stage's own variables. Collective.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/train_pipeline.h"
#include "worker/train/rounding.h"

namespace rondo {

// What trains on this stage, and how far it is.
struct Training {
  TrainingSettings settings;
  std::vector<RoundedLayer>* layers = nullptr;
  int64_t step = 0;  // steps done
  std::string key;   // of its checkpoints: RunKey()
};

// Weights whose decisions are trained on this stage, and their variables.
int64_t TrainedWeights(const std::vector<RoundedLayer>& layers);
int64_t TrainedParameters(const std::vector<RoundedLayer>& layers);
void SetForward(const std::vector<RoundedLayer>& layers, bool hard);
int64_t DecidedWeights(const std::vector<RoundedLayer>& layers);

// Turns the sums of gradients into one step of Adam; returns the regulariser's value.
double UpdateVariables(const Training& training);

// Called after every step.
using AfterStep = std::function<absl::Status()>;

// From training->step to settings.steps, over windows 0, 1, ... of `windows` in turn. The last
// stage of the first replica reports TrainingStep events.
absl::Status TrainEndToEnd(const RankContext& ctx, int64_t windows, int64_t seq_len,
                           TrainPipeline* pipeline, Training* training,
                           const AfterStep& after_step);

}  // namespace rondo
