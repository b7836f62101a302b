// The operations of kernels/api/elementwise.h over 16 lanes of columns.
#pragma once

#include "kernels/api/elementwise.h"
#include "kernels/cpu/quantize-inl.h"
#include "kernels/reference/exp.h"

namespace rondo::kernels::cpu {

// Lanes of T as floats. Round keeps what T can hold.
template <typename Ops, typename T>
struct Lanes;

template <typename Ops>
struct Lanes<Ops, float> {
  using F = typename Ops::F;
  static F LoadN(const float* p, int64_t n) { return Ops::LoadN(p, n); }
  static void StoreN(float* p, F v, int64_t n) { Ops::StoreN(p, v, n); }
  static F Round(F v) { return v; }
};

template <typename Ops>
struct Lanes<Ops, uint16_t> {
  using F = typename Ops::F;
  static F LoadN(const uint16_t* p, int64_t n) { return Ops::LoadHighN(p, n); }
  static void StoreN(uint16_t* p, F v, int64_t n) { Ops::StoreHighN(p, Ops::RoundHigh(v), n); }
  static F Round(F v) { return Ops::RoundHigh(v); }
};

// Calls step(first, count <= 16) along `cols` columns.
template <typename Step>
inline __attribute__((always_inline)) void ForColumns(int64_t cols, Step step) {
  int64_t j = 0;
  for (; j + kLanes <= cols; j += kLanes) step(j, kLanes);
  if (j < cols) step(j, cols - j);
}

template <typename Ops, typename T>
void RmsNorm(Matrix<const T> x, const T* weight, float eps, Matrix<T> out) {
  using L = Lanes<Ops, T>;
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* in = x.data + r * x.stride;
    T* to = out.data + r * out.stride;
    auto sums = Ops::Set1(0.0f);
    ForColumns(
        x.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto v = L::LoadN(in + j, n);
          sums = Ops::Fma(v, v, sums);
        });
    const float mean = SumLanes<Ops>(sums) / static_cast<float>(x.cols);
    const auto scale = Ops::Set1(1.0f / __builtin_sqrtf(mean + eps));
    ForColumns(
        x.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto normal = L::Round(Ops::Mul(L::LoadN(in + j, n), scale));
          L::StoreN(to + j, Ops::Mul(normal, L::LoadN(weight + j, n)), n);
        });
  }
}

template <typename Ops, typename T>
void SiluMul(Matrix<T> gate, Matrix<const T> up) {
  using L = Lanes<Ops, T>;
  const auto one = Ops::Set1(1.0f), sign = Ops::Set1(-1.0f);
  for (int64_t r = 0; r < gate.rows; ++r) {
    T* g = gate.data + r * gate.stride;
    const T* u = up.data + r * up.stride;
    ForColumns(
        gate.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto v = L::LoadN(g + j, n);
          const auto silu = L::Round(Ops::Div(v, Ops::Add(one, Exp<Ops>(Ops::Mul(sign, v)))));
          L::StoreN(g + j, Ops::Mul(silu, L::LoadN(u + j, n)), n);
        });
  }
}

template <typename Ops, typename T>
void Rotate(const Rotation<T>& rotation) {
  using L = Lanes<Ops, T>;
  const int64_t half = rotation.head_dim / 2;
  for (int64_t r = 0; r < rotation.x.rows; ++r) {
    const T *cos = rotation.cos + r * half, *sin = rotation.sin + r * half;
    for (int64_t head = 0; head < rotation.x.cols; head += rotation.head_dim) {
      const T* in = rotation.x.data + r * rotation.x.stride + head;
      T* to = rotation.out.data + r * rotation.out.stride + head;
      ForColumns(
          half, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
            const auto x = L::LoadN(in + j, n), y = L::LoadN(in + half + j, n);
            const auto c = L::LoadN(cos + j, n), s = L::LoadN(sin + j, n);
            L::StoreN(to + j, Ops::Sub(L::Round(Ops::Mul(x, c)), L::Round(Ops::Mul(y, s))), n);
            L::StoreN(to + half + j, Ops::Add(L::Round(Ops::Mul(y, c)), L::Round(Ops::Mul(x, s))),
                      n);
          });
    }
  }
}

}  // namespace rondo::kernels::cpu
