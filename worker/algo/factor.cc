#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "absl/strings/str_format.h"
#include "worker/algo/gptq.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

constexpr double kMaxPercdamp = 1.0;

absl::Status CheckHessian(const at::Tensor& h) {
  if (h.dim() != 2 || h.size(0) != h.size(1) || h.numel() == 0) {
    return absl::InvalidArgumentError("the Hessian is not a square matrix");
  }
  const auto [low, high] = at::aminmax(h);
  if (!std::isfinite(low.item<double>()) || !std::isfinite(high.item<double>())) {
    return absl::InvalidArgumentError("the Hessian holds NaN or Inf");
  }
  return absl::OkStatus();
}

// Lower Cholesky factor of h + percdamp * mean * I, percdamp raised tenfold until there is one.
// LAPACK's columns are torch's rows: asked for the upper factor, it leaves the lower one in rows.
absl::StatusOr<at::Tensor> DampedCholesky(const at::Tensor& h, double* percdamp) {
  const at::Tensor undamped = h.diagonal().clone();
  const double mean = undamped.mean().item<double>();
  while (true) {
    h.diagonal().copy_(undamped + *percdamp * mean);
    const auto [factor, info] = at::linalg_cholesky_ex(h.t(), /*upper=*/true);
    if (info.item<int>() == 0) return factor.t();
    if (*percdamp >= kMaxPercdamp) {
      return absl::FailedPreconditionError(
          absl::StrCat("Hessian is not positive definite even with percdamp ",
                       absl::StrFormat("%.1f", *percdamp)));
    }
    *percdamp = *percdamp > 0 ? std::min(10 * *percdamp, kMaxPercdamp) : 0.01;
  }
}

}  // namespace

absl::StatusOr<GptqFactor> FactorHessian(const at::Tensor& h, const GptqOptions& options) {
  return CatchTorch("factoring a Hessian", [&]() -> absl::StatusOr<GptqFactor> {
    RETURN_IF_ERROR(CheckHessian(h));
    GptqFactor factor;
    factor.percdamp_used = options.percdamp;
    factor.dead = h.diagonal() == 0;
    // With rows and columns reversed, the lower factor L of h gives the upper one: h = R R^T,
    // R = L with rows and columns reversed.
    at::Tensor reversed = h.flip({0, 1});
    if (options.act_order) {
      const at::Tensor diagonal = h.diagonal().masked_fill(factor.dead, 1);
      factor.permutation = at::argsort(-diagonal, /*stable=*/true);
      const at::Tensor backwards = factor.permutation.flip(0);
      reversed = h.index_select(0, backwards).index_select(1, backwards);
    }
    const at::Tensor damped = reversed.to(at::kDouble);
    damped.diagonal().masked_fill_(damped.diagonal() == 0, 1);
    ASSIGN_OR_RETURN(const at::Tensor lower, DampedCholesky(damped, &factor.percdamp_used));
    const at::Tensor root = lower.diagonal().clone();
    factor.feedback = lower.div_(root).to(at::kFloat).flip({0, 1});
    factor.pivots = root.square().to(at::kFloat).flip(0);
    return factor;
  });
}

}  // namespace rondo
