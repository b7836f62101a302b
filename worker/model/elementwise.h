// What decoder layers do between their matrix products. On the CPU in float32 and bfloat16 these
// are the kernels of kernels/api/elementwise.h, rows split over torch's threads; elsewhere torch's
// operations with the same roundings.
//
// Each records a gradient where grad mode is on and an activation requires one; XBackward takes the
// gradient of the result to those of the activations.
#pragma once

#include <utility>

#include <ATen/core/Tensor.h>

namespace rondo {

// x / sqrt(mean(x^2) + eps) * weight over the last dimension; float32 inside, rounded to the dtype
// of x before the weight is applied. weight: [x.size(-1)], of that dtype.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);
at::Tensor RmsNormBackward(const at::Tensor& out, const at::Tensor& x, const at::Tensor& weight,
                           double eps);

// silu(gate) * up, both rounded to their dtype; gate may be overwritten.
at::Tensor SiluMul(at::Tensor gate, const at::Tensor& up);
std::pair<at::Tensor, at::Tensor> SiluMulBackward(const at::Tensor& out, const at::Tensor& gate,
                                                  const at::Tensor& up);

// Turns element i of the first half of each head with element i of the second half by the angle of
// its position. x: [batch, seq, heads, group, head_dim]; cos, sin: [seq, 1, head_dim / 2],
// contiguous -> [batch, heads, seq, group, head_dim], contiguous.
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
// The inverse of Rotate, which is also its backward: the shapes the other way round.
at::Tensor RotateBack(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace rondo
