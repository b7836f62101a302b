#include "worker/algo/grid.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "worker/algo/grid_fit.h"
#include "worker/algo/row_kernels.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// A scale below the least positive value of its dtype becomes that value, not zero.
absl::Status RoundScale(at::ScalarType dtype, at::Tensor& scale) {
  if (dtype == at::kFloat) return absl::OkStatus();
  const double least = dtype == at::kHalf ? std::ldexp(1.0, -24) : std::ldexp(1.0, -126);
  const double largest = scale.max().item<double>();
  scale.copy_(scale.to(dtype)).clamp_min_(least);
  if (!std::isfinite(scale.max().item<double>())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "scale ", largest, " does not fit ", at::toString(dtype), ", the dtype it is stored in"));
  }
  return absl::OkStatus();
}

kernels::GridView View(const Grid& grid) {
  return {grid.scale.const_data_ptr<float>(), grid.zero_point.const_data_ptr<float>(),
          grid.scale.size(1), grid.group_size, (1 << grid.bits) - 1};
}

}  // namespace

absl::Status CheckWeights(const at::Tensor& w) {
  if (w.dim() != 2 || w.scalar_type() != at::kFloat || w.numel() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a weight of ", w.dim(), " dimensions, ", w.numel(), " elements and dtype ",
        at::toString(w.scalar_type()), "; it must be a float32 matrix that is not empty"));
  }
  const auto [low, high] = at::aminmax(w);
  if (!std::isfinite(low.item<float>()) || !std::isfinite(high.item<float>())) {
    return absl::InvalidArgumentError("the weight holds NaN or Inf");
  }
  return absl::OkStatus();
}

absl::StatusOr<Grid> FitFinite(const at::Tensor& w, const GridOptions& options) {
  const GridSpec& spec = options.spec;
  const int64_t in = w.size(1);
  Grid grid;
  grid.bits = spec.bits;
  grid.group_size = spec.group_size == -1 ? in : std::min(spec.group_size, in);
  const int64_t groups = (in + grid.group_size - 1) / grid.group_size;
  grid.scale = at::empty({w.size(0), groups}, w.options());
  grid.zero_point = at::empty_like(grid.scale);
  const kernels::FitOptions fit = {grid.group_size, (1 << spec.bits) - 1, spec.symmetric,
                                   options.mse};
  RETURN_IF_ERROR(FitRows(w, fit, grid.scale, grid.zero_point));
  RETURN_IF_ERROR(RoundScale(options.scale_dtype, grid.scale));
  return grid;
}

absl::StatusOr<Grid> FitGrid(const at::Tensor& w, const GridOptions& options) {
  return CatchTorch("fitting a grid", [&]() -> absl::StatusOr<Grid> {
    RETURN_IF_ERROR(CheckWeights(w));
    return FitFinite(w.contiguous(), options);
  });
}

absl::StatusOr<QuantizedLinear> RoundToNearest(const at::Tensor& w, const GridOptions& options) {
  return CatchTorch("rounding to nearest", [&]() -> absl::StatusOr<QuantizedLinear> {
    RETURN_IF_ERROR(CheckWeights(w));
    const at::Tensor rows = w.contiguous();
    QuantizedLinear linear;
    ASSIGN_OR_RETURN(linear.grid, FitFinite(rows, options));
    linear.codes = at::empty(rows.sizes(), rows.options().dtype(at::kByte));
    RETURN_IF_ERROR(QuantizeRows(rows, View(linear.grid), linear.codes));
    return linear;
  });
}

absl::StatusOr<at::Tensor> Dequantize(const QuantizedLinear& linear, at::ScalarType dtype) {
  return CatchTorch("dequantizing", [&]() -> absl::StatusOr<at::Tensor> {
    at::Tensor out = at::empty(linear.codes.sizes(), linear.codes.options().dtype(at::kFloat));
    RETURN_IF_ERROR(DequantizeRows(linear.codes, View(linear.grid), out));
    return out.to(dtype);
  });
}

}  // namespace rondo
