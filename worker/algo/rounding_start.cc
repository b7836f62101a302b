#include "worker/algo/rounding_start.h"

#include <cmath>

#include <ATen/ATen.h>

#include "kernels/api/codebook.h"
#include "worker/algo/grid_fit.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

constexpr double kGamma = -0.1, kZeta = 1.1;  // h stretches the sigmoid to (kGamma, kZeta)
constexpr double kRange = kZeta - kGamma;

// Fractions of NearestStart: up or down by at least kDecided, and inside h's clamp by kInside.
constexpr double kDecided = 0.02, kInside = 0.001;

at::Tensor Stretched(const at::Tensor& alpha) {
  return at::sigmoid(alpha).mul_(kRange).add_(kGamma);
}

// Parameters of groups, [out, groups], for every column: [out, in].
at::Tensor Spread(const at::Tensor& groups, int64_t group_size, int64_t in) {
  const at::Tensor column = at::arange(in, groups.options().dtype(at::kLong));
  return groups.index_select(1, column.floor_divide_(group_size));
}

absl::Status CheckShape(const char* what, const at::Tensor& t, const at::Tensor& w) {
  if (t.defined() && t.dim() == 2 && t.sizes() == w.sizes()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " must have the shape of the weight, [", w.size(0), ", ", w.size(1), "]"));
}

absl::Status CheckGrid(const Grid& grid, const at::Tensor& w) {
  const int64_t size = grid.group_size;
  const int64_t groups = size > 0 ? (w.size(1) + size - 1) / size : 0;
  for (const at::Tensor* t : {&grid.scale, &grid.zero_point}) {
    if (t->defined() && t->dim() == 2 && t->size(0) == w.size(0) && t->size(1) == groups) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the grid has groups of ", size, "; its parameters must be [", w.size(0), ", ",
                     groups, "] for a weight of ", w.size(1), " columns"));
  }
  return absl::OkStatus();
}

RoundingVariables Variables(const at::Tensor& base, at::Tensor h, const Grid& grid) {
  const int maxq = (1 << grid.bits) - 1, offset = kernels::BaseOffset(maxq);
  if (offset > 0) {
    const at::Tensor stored = base.clamp(-offset, maxq + 1).add_(offset);
    return {stored.to(at::kByte), InverseRectifiedSigmoid(h), grid};
  }
  // What lies beyond an end starts at this end and can be trained off it.
  h = h.masked_fill(base.lt(0), kInside).masked_fill_(base.ge(maxq), 1 - kInside);
  return {base.clamp(0, maxq - 1).to(at::kByte), InverseRectifiedSigmoid(h), grid};
}

}  // namespace

absl::StatusOr<RoundingVariables> NearestStart(const at::Tensor& w, const QuantizedLinear& linear) {
  return CatchTorch("the start of rounding", [&]() -> absl::StatusOr<RoundingVariables> {
    RETURN_IF_ERROR(CheckWeights(w));
    RETURN_IF_ERROR(CheckShape("codes", linear.codes, w));
    const Grid& grid = linear.grid;
    RETURN_IF_ERROR(CheckGrid(grid, w));
    const at::Tensor steps = w.div(Spread(grid.scale, grid.group_size, w.size(1)))
                                 .add_(Spread(grid.zero_point, grid.group_size, w.size(1)));
    const at::Tensor code = linear.codes.to(at::kFloat);
    const at::Tensor up = steps.lt(code);
    const at::Tensor base = code.sub(up.to(at::kFloat));
    const at::Tensor rest = steps.sub(base);
    const at::Tensor h =
        at::where(up, rest.clamp(0.5 + kDecided, 1 - kInside), rest.clamp(kInside, 0.5 - kDecided));
    return Variables(base, h, grid);
  });
}

absl::StatusOr<RoundingVariables> FractionalStart(const at::Tensor& target, const Grid& grid,
                                                  const at::Tensor& push) {
  return CatchTorch("the start of rounding", [&]() -> absl::StatusOr<RoundingVariables> {
    RETURN_IF_ERROR(CheckWeights(target));
    RETURN_IF_ERROR(CheckGrid(grid, target));
    if (push.defined()) RETURN_IF_ERROR(CheckShape("push", push, target));
    const int64_t in = target.size(1);
    const at::Tensor steps = target.div(Spread(grid.scale, grid.group_size, in));
    const at::Tensor floor = steps.floor();
    at::Tensor rest = steps.sub(floor);
    if (push.defined()) rest = rest.sub(push);
    return Variables(floor.add(Spread(grid.zero_point, grid.group_size, in)), rest, grid);
  });
}

at::Tensor RectifiedSigmoid(const at::Tensor& alpha) { return Stretched(alpha).clamp_(0, 1); }

at::Tensor InverseRectifiedSigmoid(const at::Tensor& h) {
  const at::Tensor inside = h.clamp(0, 1).sub_(kGamma);
  return at::log(inside.reciprocal().mul_(kRange).sub_(1)).neg_();
}

at::Tensor RectifiedSigmoidSlope(const at::Tensor& alpha, bool saturate) {
  const at::Tensor sigmoid = at::sigmoid(alpha);
  at::Tensor slope = at::rsub(sigmoid, 1).mul_(sigmoid).mul_(kRange);
  if (saturate) {
    const at::Tensor h = sigmoid.mul(kRange).add_(kGamma);
    slope.masked_fill_(h.lt(0).logical_or_(h.gt(1)), 0);
  }
  return slope;
}

at::Tensor RoundRegulariser(const at::Tensor& alpha, double beta) {
  const at::Tensor distance = RectifiedSigmoid(alpha).mul_(2).sub_(1).abs_();
  return at::rsub(distance.pow_(beta), 1);
}

at::Tensor RoundRegulariserSlope(const at::Tensor& alpha, double beta) {
  const at::Tensor signed_distance = RectifiedSigmoid(alpha).mul_(2).sub_(1);
  const at::Tensor outer = signed_distance.abs().pow_(beta - 1).mul_(signed_distance.sign());
  return outer.mul_(-2 * beta).mul_(RectifiedSigmoidSlope(alpha, /*saturate=*/true));
}

}  // namespace rondo
