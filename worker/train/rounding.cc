#include "worker/train/rounding.h"

#include <ATen/ATen.h>

#include "kernels/api/codebook.h"

namespace rondo {

QuantizedLinear RoundedLinear::Harden() const {
  QuantizedLinear linear;
  linear.codes = base_.to(at::kInt)
                     .sub_(kernels::kBaseOffset)
                     .add_(Decisions().to(at::kInt))
                     .clamp_(0, maxq())
                     .to(at::kByte);
  linear.grid = grid_;
  return linear;
}

}  // namespace rondo
