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
void RmsNormBackward(const RmsNormGradient<T>& args) {
  using L = Lanes<Ops, T>;
  const auto cols = static_cast<float>(args.x.cols);
  for (int64_t r = 0; r < args.x.rows; ++r) {
    const T *x = args.x.data + r * args.x.stride, *out = args.out.data + r * args.out.stride;
    T* in = args.in.data + r * args.in.stride;
    auto squares = Ops::Set1(0.0f), products = squares;
    ForColumns(
        args.x.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto v = L::LoadN(x + j, n);
          const auto g = Ops::Mul(L::LoadN(out + j, n), L::LoadN(args.weight + j, n));
          squares = Ops::Fma(v, v, squares);
          products = Ops::Fma(g, v, products);
        });
    const float scale = 1.0f / __builtin_sqrtf(SumLanes<Ops>(squares) / cols + args.eps);
    const float mean = SumLanes<Ops>(products) / cols;
    const auto scales = Ops::Set1(scale), along = Ops::Set1(mean * scale * scale * scale);
    ForColumns(
        args.x.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto g = Ops::Mul(L::LoadN(out + j, n), L::LoadN(args.weight + j, n));
          L::StoreN(in + j, Ops::FnMadd(L::LoadN(x + j, n), along, Ops::Mul(g, scales)), n);
        });
  }
}

template <typename Ops, typename T>
void SiluMulBackward(const SiluMulGradient<T>& args) {
  using L = Lanes<Ops, T>;
  const auto one = Ops::Set1(1.0f), sign = Ops::Set1(-1.0f);
  for (int64_t r = 0; r < args.gate.rows; ++r) {
    const T *gate = args.gate.data + r * args.gate.stride, *up = args.up.data + r * args.up.stride;
    const T* out = args.out.data + r * args.out.stride;
    T* gate_in = args.gate_in.data + r * args.gate_in.stride;
    T* up_in = args.up_in.data + r * args.up_in.stride;
    ForColumns(
        args.gate.cols, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          const auto v = L::LoadN(gate + j, n), o = L::LoadN(out + j, n);
          const auto s = Ops::Div(one, Ops::Add(one, Exp<Ops>(Ops::Mul(sign, v))));
          const auto silu = Ops::Mul(v, s), slope = Ops::Fma(silu, Ops::Sub(one, s), s);
          const auto gate_value = Ops::Mul(Ops::Mul(o, L::LoadN(up + j, n)), slope);
          L::StoreN(up_in + j, Ops::Mul(o, silu), n);
          L::StoreN(gate_in + j, gate_value, n);
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
