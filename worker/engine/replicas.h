// Sums over the ranks of a gang, in order of rank, so that they are the same at every run.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/train/rounding.h"

namespace rondo {

// Sums a small tensor over the stages of this rank's replica; the result is on its last stage.
absl::StatusOr<at::Tensor> SumOverStages(const RankContext& ctx, const at::Tensor& tensor);

// Sums a small tensor over all ranks, for each of them.
absl::StatusOr<at::Tensor> SumOverRanks(const RankContext& ctx, const at::Tensor& tensor);

// Replaces the gradient sums of this stage's variables by those over all replicas of the stage.
absl::Status SumOverReplicas(const RankContext& ctx, const std::vector<RoundedLayer>& layers);

}  // namespace rondo
