// Uniform grids: the set of values that a weight can be rounded to (docs/algorithms.md, section 1).
// value = scale * (code - zero_point), code in {0..2^bits - 1}; code = clamp(rint(w/scale) +
// zero_point), rint half to even, a real division. Functions of tensors; thread-safe.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

struct Grid {
  at::Tensor scale;        // [out, groups] float32
  at::Tensor zero_point;   // [out, groups] float32, whole numbers in [0, 2^bits - 1]
  int64_t group_size = 0;  // columns of a group, > 0; the last group may be short
  int bits = 4;
};

// Integer weights of one linear layer; none where it keeps its own.
struct QuantizedLinear {
  at::Tensor codes;  // [out, in] uint8, in the checkpoint's column order
  Grid grid;         // contiguous groups

  bool skipped() const { return !codes.defined(); }
};

struct GridOptions {
  GridSpec spec;
  bool mse = false;  // shrink the range where that lowers sum |Q - w|^2.4
  // The dtype that the scale will be stored in: it is rounded to it before codes are computed, so
  // that the codes are the best ones for what is stored. Float32: not rounded.
  at::ScalarType scale_dtype = at::kFloat;
};

// Min-max grid of w [out, in] float32 (range widened to hold 0; an all-zero group gets [-1, 1]).
absl::StatusOr<Grid> FitGrid(const at::Tensor& w, const GridOptions& options);

// Round to nearest.
absl::StatusOr<QuantizedLinear> RoundToNearest(const at::Tensor& w, const GridOptions& options);

// scale * (code - zero_point) in float32, rounded to `dtype`. [out, in]
absl::StatusOr<at::Tensor> Dequantize(const QuantizedLinear& linear, at::ScalarType dtype);

}  // namespace rondo
