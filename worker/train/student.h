// The product of a linear layer whose weights are trained: weights are formed from the variables in
// the product's input type, forward and again backward, and never kept. Records gradients: those of
// x go on, those of the weights go to the RoundedLinear at once.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/model/decoder.h"
#include "worker/train/rounding.h"

namespace rondo {

class StudentProduct final : public LinearProduct {
 public:
  // `rounded` outlives this. dtype: of the product's inputs, float32 or bfloat16; sums are float32.
  StudentProduct(RoundedLinear* rounded, at::ScalarType dtype) : rounded_(rounded), dtype_(dtype) {}
  at::Tensor Multiply(const at::Tensor& x) override;

 private:
  RoundedLinear* rounded_;
  at::ScalarType dtype_;
};

}  // namespace rondo
