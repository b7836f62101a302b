// Trained variables and their optimizer. Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/domain/job_spec.h"

namespace rondo {

// One trained tensor, float32, with what Adam (arXiv 1412.6980) keeps for it.
struct Parameter {
  explicit Parameter(at::Tensor start);
  at::Tensor value;
  at::Tensor gradient;  // zero after every step
  at::Tensor mean;
  at::Tensor variance;
};

// One step of Adam with betas 0.9, 0.99 and no weight decay. `step` counts from 1.
void AdamStep(int64_t step, double learning_rate, Parameter* parameter);

// What changes from step to step; `step` counts from 0.
double LearningRateAt(const TrainingSettings& settings, int64_t step);
// True where weights are the hard decisions in the forward pass.
bool IsHardForward(const TrainingSettings& settings, int64_t step);
// Of the regulariser 1 - |2h - 1|^beta, as in the paper's code: held, then falling linearly.
double BetaAt(const TrainingSettings& settings, int64_t step);
// settings.round_weight, or 0 where the regulariser does not act: hard forward, and the hold.
double RoundWeightAt(const TrainingSettings& settings, int64_t step);

}  // namespace rondo
