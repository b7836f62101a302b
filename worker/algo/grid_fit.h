// The parts of FitGrid, for callers that check once and fit often. Throw as torch does.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/algo/grid.h"

namespace rondo {

// INVALID_ARGUMENT unless w is a float32 matrix without NaN and Inf.
absl::Status CheckWeights(const at::Tensor& w);

// w: [out, in] float32, finite, unit column stride.
absl::StatusOr<Grid> FitFinite(const at::Tensor& w, const GridOptions& options);

}  // namespace rondo
