// Where learned rounding starts (docs/algorithms.md 4.1, 5.2, 5.6a). Weight = scale * (clamp(base +
// h(alpha), 0, maxq) - zero_point) with h the rectified sigmoid; alpha >= 0 rounds up. Functions of
// tensors; thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/algo/gptq.h"

namespace rondo {

struct RoundingVariables {
  at::Tensor base;   // [out, in] uint8: the lower code, clipped, plus kernels::BaseOffset()
  at::Tensor alpha;  // [out, in] float32
  Grid grid;
};

// Keeps the decisions of `linear` and takes the soft weights as near to w as they allow: base =
// code - 1 where w / scale + zero_point < code, else code; h(alpha) = w / scale + zero_point -
// base, within [0.52, 0.999] or [0.001, 0.48] (at 0 and 1 the soft forward has no gradient).
// Hardening gives `linear` back exactly. w: [out, in] float32. INVALID_ARGUMENT when shapes do not
// fit or w holds NaN or Inf.
absl::StatusOr<RoundingVariables> NearestStart(const at::Tensor& w, const QuantizedLinear& linear);

// h(alpha) = the fractional part of `target` / scale; base its floor. target: [out, in] float32: w
// itself (RTN), or GPTQ's weights at the time of their decision (GptqResult::target). `push`
// (undefined: none), [out, in] in steps, is subtracted from the fraction: the paper's code takes
// GptqPush() there.
absl::StatusOr<RoundingVariables> FractionalStart(const at::Tensor& target, const Grid& grid,
                                                  const at::Tensor& push);

// h(a) = clamp(sigmoid(a) * 1.2 - 0.1, 0, 1), its inverse (inputs clamped to [0, 1], finite), and
// its derivative; `saturate`: 0 where h is clamped.
at::Tensor RectifiedSigmoid(const at::Tensor& alpha);
at::Tensor InverseRectifiedSigmoid(const at::Tensor& h);
at::Tensor RectifiedSigmoidSlope(const at::Tensor& alpha, bool saturate);

// 1 - |2 h(alpha) - 1|^beta and its derivative with respect to alpha (0 where h is clamped).
at::Tensor RoundRegulariser(const at::Tensor& alpha, double beta);
at::Tensor RoundRegulariserSlope(const at::Tensor& alpha, double beta);

}  // namespace rondo
