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

template <typename T>
float SumOfSquares(const T* x, int64_t cols) {
  float sums[kErrorSums] = {};
  for (int64_t j = 0; j < cols; ++j) {
    sums[j % kErrorSums] = std::fma(Widen(x[j]), Widen(x[j]), sums[j % kErrorSums]);
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}

}  // namespace

template <typename T>
void RmsNorm(Matrix<const T> x, const T* weight, float eps, Matrix<T> out) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* in = x.data + r * x.stride;
    const float mean = SumOfSquares(in, x.cols) / static_cast<float>(x.cols);
    const float scale = 1.0f / std::sqrt(mean + eps);
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
template RotateFn<float> Rotate<float>;
template RotateFn<uint16_t> Rotate<uint16_t>;

}  // namespace rondo::kernels::reference
