// The operations of elementwise.h and attention.h as nodes of torch's graph: forward they are what
// they are without gradients, bit for bit; backward they have closed forms. They do not
// differentiate twice.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

namespace rondo {

// Whether what is computed from t must be recorded.
inline bool Records(const at::Tensor& t) { return at::GradMode::is_enabled() && t.requires_grad(); }

// Gradients flow to x, gate, up, q, k and v; weights and tables are constants.
at::Tensor RecordedRmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);
at::Tensor RecordedSiluMul(const at::Tensor& gate, const at::Tensor& up);
at::Tensor RecordedRotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
at::Tensor RecordedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace rondo
