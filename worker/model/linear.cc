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

absl::Status Observe(InputObserver* observer, int input, const at::Tensor& x) {
  if (observer == nullptr) return absl::OkStatus();
  return observer->OnInput(input, x.reshape({-1, x.size(-1)}));
}

}  // namespace rondo
