// The token windows of a job: the first rank reads them, every rank holds them.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

struct JobTokens {
  at::Tensor calibration;              // [samples, seq] int64; undefined when not needed
  std::vector<at::Tensor> evaluation;  // by EvaluationSpec::sets
};

// A collective call. Bad data fail on the first rank, before any compute.
absl::StatusOr<JobTokens> ShareTokens(const RankContext& ctx);

}  // namespace rondo
