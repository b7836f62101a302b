#include "worker/train/rounding.h"

#include <ATen/ATen.h>

#include "kernels/api/codebook.h"

namespace rondo {
namespace {

constexpr double kDecidedMargin = 0.05;

}  // namespace

at::Tensor IsDecided(const at::Tensor& h) { return (h - 0.5).abs().ge(0.5 - kDecidedMargin); }

QuantizedLinear RoundedLinear::Harden() const {
  QuantizedLinear linear;
  linear.codes = base_.to(at::kInt)
                     .sub_(kernels::BaseOffset(maxq()))
                     .add_(Decisions().to(at::kInt))
                     .clamp_(0, maxq())
                     .to(at::kByte);
  linear.grid = grid_;
  return linear;
}

}  // namespace rondo
