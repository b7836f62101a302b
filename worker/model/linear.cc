#include "worker/model/linear.h"

#include <ATen/ATen.h>

namespace rondo {

at::Tensor ApplyLinear(const Linear& linear, const at::Tensor& x) {
  if (linear.product != nullptr) {
    const at::Tensor y = linear.product->Multiply(x);
    return linear.bias.defined() ? y.add(linear.bias) : y;
  }
  return linear.bias.defined() ? at::linear(x, linear.weight, linear.bias)
                               : at::linear(x, linear.weight);
}

}  // namespace rondo
