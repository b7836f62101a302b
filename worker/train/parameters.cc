#include "worker/train/parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "kernels/api/rounding_step.h"
#include "worker/train/train_kernels.h"

namespace rondo {
namespace {}  // namespace

Parameter::Parameter(at::Tensor start)
    : value(std::move(start)),
      gradient(at::zeros_like(value)),
      mean(at::zeros_like(value)),
      variance(at::zeros_like(value)) {}

void AdamStep(int64_t step, double learning_rate, Parameter* parameter) {
  const double bias1 = 1 - std::pow(double{kernels::kAdamBeta1}, static_cast<double>(step));
  const double bias2 = 1 - std::pow(double{kernels::kAdamBeta2}, static_cast<double>(step));
  RunAdam(parameter->value, parameter->gradient, parameter->mean, parameter->variance,
          learning_rate / bias1, 1 / std::sqrt(bias2));
  parameter->gradient.zero_();
}

double LearningRateAt(const TrainingSettings& settings, int64_t step) {
  const auto steps = static_cast<double>(settings.steps);
  const double warmup = settings.warmup * steps;
  const auto at = static_cast<double>(step);
  if (at < warmup) return settings.learning_rate * (at + 1) / warmup;
  const double progress = (at - warmup) / std::max(1.0, steps - warmup);
  switch (settings.schedule) {
    case LearningRateSchedule::kConstant: break;
    case LearningRateSchedule::kLinear: return settings.learning_rate * (1 - progress);
    case LearningRateSchedule::kCosine:
      return settings.learning_rate * 0.5 * (1 + std::cos(M_PI * progress));
  }
  return settings.learning_rate;
}

bool IsHardForward(const TrainingSettings& settings, int64_t step) {
  switch (settings.forward) {
    case RoundingForward::kSoft: return false;
    case RoundingForward::kStraightThrough: return true;
    case RoundingForward::kSoftThenStraightThrough: break;
  }
  const auto steps = static_cast<double>(settings.steps);
  return static_cast<double>(step) >= steps * (1 - settings.straight_through_share);
}

double BetaAt(const TrainingSettings& settings, int64_t step) {
  const double progress = static_cast<double>(step) / static_cast<double>(settings.steps);
  if (progress <= settings.beta_hold) return settings.beta_start;
  return settings.beta_start - (settings.beta_start - settings.beta_end) * progress;
}

double RoundWeightAt(const TrainingSettings& settings, int64_t step) {
  const auto steps = static_cast<double>(settings.steps);
  const bool held = static_cast<double>(step) < settings.beta_hold * steps;
  return held || IsHardForward(settings, step) ? 0 : settings.round_weight;
}

}  // namespace rondo
