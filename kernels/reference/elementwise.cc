#include <cmath>

#include "kernels/reference/bf16.h"
#include "kernels/reference/exp.h"
#include "kernels/reference/float_ops.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {
namespace {

template <typename T>
float Round(float v) {
  return Widen(Narrow<T>(v));
}

// Of a(j) b(j).
template <typename A, typename B>
float SumOfProducts(int64_t cols, const A& a, const B& b) {
  float sums[kErrorSums] = {};
  for (int64_t j = 0; j < cols; ++j) {
    sums[j % kErrorSums] = std::fma(a(j), b(j), sums[j % kErrorSums]);
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}

// 1 / sqrt(mean(x^2) + eps)
template <typename X>
float RmsScale(int64_t cols, const X& x, float eps) {
  return 1.0f / std::sqrt(SumOfProducts(cols, x, x) / static_cast<float>(cols) + eps);
}

}  // namespace

template <typename T>
void RmsNorm(Matrix<const T> x, const T* weight, float eps, Matrix<T> out) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* in = x.data + r * x.stride;
    const float scale = RmsScale(
        x.cols, [&](int64_t j) { return Widen(in[j]); }, eps);
    for (int64_t j = 0; j < x.cols; ++j) {
      const float normal = Round<T>(Widen(in[j]) * scale);
      out.data[r * out.stride + j] = Narrow<T>(normal * Widen(weight[j]));
    }
  }
}

template <typename T>
void SiluMul(Matrix<T> gate, Matrix<const T> up) {
  for (int64_t r = 0; r < gate.rows; ++r) {
    for (int64_t j = 0; j < gate.cols; ++j) {
      T& g = gate.data[r * gate.stride + j];
      const float v = Widen(g);
      const float silu = Round<T>(v / (1.0f + Exp<FloatOps>(-v)));
      g = Narrow<T>(silu * Widen(up.data[r * up.stride + j]));
    }
  }
}

template <typename T>
void RmsNormBackward(const RmsNormGradient<T>& args) {
  const int64_t cols = args.x.cols;
  for (int64_t r = 0; r < args.x.rows; ++r) {
    const T *x_row = args.x.data + r * args.x.stride, *out = args.out.data + r * args.out.stride;
    const auto x = [&](int64_t j) { return Widen(x_row[j]); };
    const auto g = [&](int64_t j) { return Widen(out[j]) * Widen(args.weight[j]); };
    const float scale = RmsScale(cols, x, args.eps);
    const float mean = SumOfProducts(cols, g, x) / static_cast<float>(cols);
    const float along = mean * scale * scale * scale;
    for (int64_t j = 0; j < cols; ++j) {
      args.in.data[r * args.in.stride + j] = Narrow<T>(std::fma(-x(j), along, g(j) * scale));
    }
  }
}

template <typename T>
void SiluMulBackward(const SiluMulGradient<T>& args) {
  for (int64_t r = 0; r < args.gate.rows; ++r) {
    for (int64_t j = 0; j < args.gate.cols; ++j) {
      const float v = Widen(args.gate.data[r * args.gate.stride + j]);
      const float out = Widen(args.out.data[r * args.out.stride + j]);
      const float s = 1.0f / (1.0f + Exp<FloatOps>(-v)), silu = v * s;
      const float slope = std::fma(silu, 1.0f - s, s);
      args.up_in.data[r * args.up_in.stride + j] = Narrow<T>(out * silu);
      args.gate_in.data[r * args.gate_in.stride + j] =
          Narrow<T>(out * Widen(args.up.data[r * args.up.stride + j]) * slope);
    }
  }
}

template <typename T>
void Rotate(const Rotation<T>& rotation) {
  const int64_t half = rotation.head_dim / 2;
  for (int64_t r = 0; r < rotation.x.rows; ++r) {
    const T *cos = rotation.cos + r * half, *sin = rotation.sin + r * half;
    for (int64_t head = 0; head < rotation.x.cols; head += rotation.head_dim) {
      const T* in = rotation.x.data + r * rotation.x.stride + head;
      T* to = rotation.out.data + r * rotation.out.stride + head;
      for (int64_t j = 0; j < half; ++j) {
        const float x = Widen(in[j]), y = Widen(in[half + j]);
        const float c = Widen(cos[j]), s = Widen(sin[j]);
        to[j] = Narrow<T>(Round<T>(x * c) - Round<T>(y * s));
        to[half + j] = Narrow<T>(Round<T>(y * c) + Round<T>(x * s));
      }
    }
  }
}

template RmsNormFn<float> RmsNorm<float>;
template RmsNormFn<uint16_t> RmsNorm<uint16_t>;
template SiluMulFn<float> SiluMul<float>;
template SiluMulFn<uint16_t> SiluMul<uint16_t>;
template RmsNormBackwardFn<float> RmsNormBackward<float>;
template RmsNormBackwardFn<uint16_t> RmsNormBackward<uint16_t>;
template SiluMulBackwardFn<float> SiluMulBackward<float>;
template SiluMulBackwardFn<uint16_t> SiluMulBackward<uint16_t>;
template RotateFn<float> Rotate<float>;
template RotateFn<uint16_t> Rotate<uint16_t>;

}  // namespace rondo::kernels::reference
