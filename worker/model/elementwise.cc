#include "worker/model/elementwise.h"

#include <algorithm>
#include <type_traits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/backend.h"
#include "worker/model/autograd.h"

namespace rondo {
namespace {

using kernels::Matrix;

constexpr int64_t kElementsPerTask = 1 << 14;

bool HasKernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// T: float, or uint16_t for the bits of bfloat16.
template <typename T>
T* Data(const at::Tensor& t) {
  if constexpr (std::is_const_v<T>) {
    return static_cast<T*>(t.const_data_ptr());
  } else {
    return static_cast<T*>(t.mutable_data_ptr());
  }
}

// Rows `begin` to `end` of the last dimension of a contiguous tensor.
template <typename T>
Matrix<T> Rows(const at::Tensor& t, int64_t begin, int64_t end) {
  const int64_t cols = t.size(-1);
  return {Data<T>(t) + begin * cols, end - begin, cols, cols};
}

template <typename F>
void ForRows(int64_t rows, int64_t cols, const F& f) {
  const int64_t grain = std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, cols));
  at::parallel_for(0, rows, grain, f);
}

template <typename F>
void ForRowsOf(const at::Tensor& t, const F& f) {
  const int64_t cols = std::max<int64_t>(1, t.size(-1));
  ForRows(t.numel() / cols, cols, f);
}

template <typename T>
void RmsNormWith(kernels::RmsNormFn<T>* kernel, const at::Tensor& x, const at::Tensor& weight,
                 double eps, const at::Tensor& out) {
  const T* w = Data<const T>(weight);
  ForRowsOf(x, [&](int64_t begin, int64_t end) {
    kernel(Rows<const T>(x, begin, end), w, static_cast<float>(eps), Rows<T>(out, begin, end));
  });
}

template <typename T>
void SiluMulWith(kernels::SiluMulFn<T>* kernel, const at::Tensor& gate, const at::Tensor& up) {
  ForRowsOf(gate, [&](int64_t begin, int64_t end) {
    kernel(Rows<T>(gate, begin, end), Rows<const T>(up, begin, end));
  });
}

template <typename T>
void RmsNormBackwardWith(kernels::RmsNormBackwardFn<T>* kernel, const at::Tensor& out,
                         const at::Tensor& x, const at::Tensor& weight, double eps,
                         const at::Tensor& in) {
  ForRowsOf(x, [&](int64_t begin, int64_t end) {
    kernel({Rows<const T>(out, begin, end), Rows<const T>(x, begin, end), Data<const T>(weight),
            static_cast<float>(eps), Rows<T>(in, begin, end)});
  });
}

template <typename T>
void SiluMulBackwardWith(kernels::SiluMulBackwardFn<T>* kernel, const at::Tensor& out,
                         const at::Tensor& gate, const at::Tensor& up,
                         const std::pair<at::Tensor, at::Tensor>& in) {
  ForRowsOf(gate, [&](int64_t begin, int64_t end) {
    kernel({Rows<const T>(out, begin, end), Rows<const T>(gate, begin, end),
            Rows<const T>(up, begin, end), Rows<T>(in.first, begin, end),
            Rows<T>(in.second, begin, end)});
  });
}

// x, out: [batch, heads, seq, group, head_dim], the last two dimensions contiguous. Heads of all
// samples and their positions are split; positions of one head go together.
template <typename T>
void RotateWith(kernels::RotateFn<T>* kernel, const at::Tensor& x, const at::Tensor& out,
                const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t heads = x.size(1), seq = x.size(2), dim = x.size(4), width = x.size(3) * dim;
  const T *from = Data<const T>(x), *c = Data<const T>(cos), *s = Data<const T>(sin);
  T* to = Data<T>(out);
  const auto offset = [heads](const at::Tensor& t, int64_t head, int64_t position) {
    return head / heads * t.stride(0) + head % heads * t.stride(1) + position * t.stride(2);
  };
  ForRows(x.size(0) * heads * seq, width, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t head = begin / seq, position = begin % seq;
      const int64_t rows = std::min(end - begin, seq - position);
      kernel({.x = {from + offset(x, head, position), rows, width, x.stride(2)},
              .out = {to + offset(out, head, position), rows, width, out.stride(2)},
              .cos = c + position * (dim / 2),
              .sin = s + position * (dim / 2),
              .head_dim = dim});
      begin += rows;
    }
  });
}

void RotateInto(const at::Tensor& x, const at::Tensor& out, const at::Tensor& cos,
                const at::Tensor& sin) {
  if (HasKernel(x)) {
    return x.scalar_type() == at::kFloat ? RotateWith(kernels::Cpu().rotate, x, out, cos, sin)
                                         : RotateWith(kernels::Cpu().rotate_bf16, x, out, cos, sin);
  }
  const int64_t half = x.size(4) / 2;
  const at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  at::Tensor out_first = out.narrow(-1, 0, half), out_second = out.narrow(-1, half, half);
  at::mul_out(out_first, first, cos).addcmul_(second, sin, -1);
  at::mul_out(out_second, second, cos).addcmul_(first, sin);
}

// 1 / sqrt(mean(x^2) + eps) over the last dimension, which stays as 1.
at::Tensor RmsScale(const at::Tensor& x32, double eps) {
  return at::linalg_vector_norm(x32, 2, at::IntArrayRef{-1}, true)
      .square_()
      .div_(x32.size(-1))
      .add_(eps)
      .rsqrt_();
}

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (Records(x)) return RecordedRmsNorm(x, weight, eps);
  if (HasKernel(x)) {
    const at::Tensor in = x.contiguous(), w = weight.contiguous();
    at::Tensor out = at::empty_like(in);
    if (x.scalar_type() == at::kFloat) {
      RmsNormWith(kernels::Cpu().rms_norm, in, w, eps, out);
    } else {
      RmsNormWith(kernels::Cpu().rms_norm_bf16, in, w, eps, out);
    }
    return out;
  }
  const at::Tensor x32 = x.to(at::kFloat);
  return x32.mul(RmsScale(x32, eps)).to(x.scalar_type()).mul_(weight);
}

at::Tensor RmsNormBackward(const at::Tensor& out, const at::Tensor& x, const at::Tensor& weight,
                           double eps) {
  if (HasKernel(x)) {
    const at::Tensor g = out.contiguous(), in = x.contiguous(), w = weight.contiguous();
    at::Tensor result = at::empty_like(in);
    if (x.scalar_type() == at::kFloat) {
      RmsNormBackwardWith(kernels::Cpu().rms_norm_backward, g, in, w, eps, result);
    } else {
      RmsNormBackwardWith(kernels::Cpu().rms_norm_backward_bf16, g, in, w, eps, result);
    }
    return result;
  }
  // kernels/api/elementwise.h has the formula.
  const at::Tensor x32 = x.to(at::kFloat), scale = RmsScale(x32, eps);
  const at::Tensor g = out.to(at::kFloat).mul(weight);
  const at::Tensor along = g.mul(x32).mean(at::IntArrayRef{-1}, true).mul_(scale.pow(3));
  return g.mul_(scale).addcmul_(x32, along, -1).to(x.scalar_type());
}

at::Tensor SiluMul(at::Tensor gate, const at::Tensor& up) {
  if (Records(gate) || Records(up)) return RecordedSiluMul(gate, up);
  if (!HasKernel(gate)) return at::silu_(gate).mul_(up);
  gate = gate.contiguous();
  if (gate.scalar_type() == at::kFloat) {
    SiluMulWith(kernels::Cpu().silu_mul, gate, up.contiguous());
  } else {
    SiluMulWith(kernels::Cpu().silu_mul_bf16, gate, up.contiguous());
  }
  return gate;
}

std::pair<at::Tensor, at::Tensor> SiluMulBackward(const at::Tensor& out, const at::Tensor& gate,
                                                  const at::Tensor& up) {
  if (HasKernel(gate)) {
    const at::Tensor o = out.contiguous(), g = gate.contiguous(), u = up.contiguous();
    std::pair<at::Tensor, at::Tensor> in = {at::empty_like(g), at::empty_like(u)};
    if (gate.scalar_type() == at::kFloat) {
      SiluMulBackwardWith(kernels::Cpu().silu_mul_backward, o, g, u, in);
    } else {
      SiluMulBackwardWith(kernels::Cpu().silu_mul_backward_bf16, o, g, u, in);
    }
    return in;
  }
  return {at::silu_backward(out.mul(up), gate), at::silu(gate).mul_(out)};
}

at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (Records(x)) return RecordedRotate(x, cos, sin);
  at::Tensor out = at::empty({x.size(0), x.size(2), x.size(1), x.size(3), x.size(4)}, x.options());
  RotateInto(x.contiguous().transpose(1, 2), out, cos, sin);
  return out;
}

at::Tensor RotateBack(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  at::Tensor out = at::empty({x.size(0), x.size(2), x.size(1), x.size(3), x.size(4)}, x.options());
  RotateInto(x.contiguous(), out.transpose(1, 2), cos, sin.neg());
  return out;
}

}  // namespace rondo
