#include "worker/model/elementwise.h"

#include <algorithm>
#include <type_traits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/backend.h"

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

// The rows of out, [batch * heads * seq, group * head_dim], are split; those of one head of one
// sample go together.
template <typename T>
void RotateWith(kernels::RotateFn<T>* kernel, const at::Tensor& x, const at::Tensor& cos,
                const at::Tensor& sin, const at::Tensor& out) {
  const int64_t seq = x.size(1), heads = x.size(2), dim = x.size(4), width = x.size(3) * dim;
  const T *from = Data<const T>(x), *c = Data<const T>(cos), *s = Data<const T>(sin);
  T* to = Data<T>(out);
  ForRows(x.size(0) * heads * seq, width, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t head = begin / seq, position = begin % seq;
      const int64_t rows = std::min(end - begin, seq - position);
      const int64_t token = head / heads * seq + position;
      kernel({.x = {from + (token * heads + head % heads) * width, rows, width, heads * width},
              .out = {to + begin * width, rows, width, width},
              .cos = c + position * (dim / 2),
              .sin = s + position * (dim / 2),
              .head_dim = dim});
      begin += rows;
    }
  });
}

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (HasKernel(x)) {
    const at::Tensor in = x.contiguous(), w = weight.contiguous();
    const at::Tensor out = at::empty_like(in);
    if (x.scalar_type() == at::kFloat) {
      RmsNormWith(kernels::Cpu().rms_norm, in, w, eps, out);
    } else {
      RmsNormWith(kernels::Cpu().rms_norm_bf16, in, w, eps, out);
    }
    return out;
  }
  const at::Tensor x32 = x.to(at::kFloat);
  const at::Tensor mean_square =
      at::linalg_vector_norm(x32, 2, at::IntArrayRef{-1}, true).square_().div_(x.size(-1));
  return x32.mul(mean_square.add_(eps).rsqrt_()).to(x.scalar_type()).mul_(weight);
}

at::Tensor SiluMul(at::Tensor gate, const at::Tensor& up) {
  if (!HasKernel(gate)) return at::silu_(gate).mul_(up);
  gate = gate.contiguous();
  if (gate.scalar_type() == at::kFloat) {
    SiluMulWith(kernels::Cpu().silu_mul, gate, up.contiguous());
  } else {
    SiluMulWith(kernels::Cpu().silu_mul_bf16, gate, up.contiguous());
  }
  return gate;
}

at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(4) / 2;
  at::Tensor out = at::empty({x.size(0), x.size(2), x.size(1), x.size(3), x.size(4)}, x.options());
  if (HasKernel(x)) {
    const at::Tensor in = x.contiguous();
    if (x.scalar_type() == at::kFloat) {
      RotateWith(kernels::Cpu().rotate, in, cos, sin, out);
    } else {
      RotateWith(kernels::Cpu().rotate_bf16, in, cos, sin, out);
    }
    return out;
  }
  const at::Tensor heads_first = x.transpose(1, 2);
  const at::Tensor first = heads_first.narrow(-1, 0, half);
  const at::Tensor second = heads_first.narrow(-1, half, half);
  at::Tensor out_first = out.narrow(-1, 0, half);
  at::Tensor out_second = out.narrow(-1, half, half);
  at::mul_out(out_first, first, cos).addcmul_(second, sin, -1);
  at::mul_out(out_second, second, cos).addcmul_(first, sin);
  return out;
}

}  // namespace rondo
