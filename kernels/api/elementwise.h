// What a decoder layer does between its matrix products, in one pass over memory. T is float or
// uint16_t, the bits of a bfloat16; arithmetic is float32, and bfloat16 results are rounded half to
// even where Hugging Face's modeling_llama.py rounds them. Every backend gives the same bits. Sums
// go as in kernels/api/quantize.h (kErrorSums), with fused multiply-adds. NaN stays NaN. No
// allocation, no state; rows are independent.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

// out = round(round(x / sqrt(mean(x^2) + eps)) * weight), row by row. x, out: [rows, cols], may be
// the same; weight: [cols].
template <typename T>
using RmsNormFn = void(Matrix<const T> x, const T* weight, float eps, Matrix<T> out);

// gate = round(round(gate / (1 + exp(-gate))) * up). gate, up: [rows, cols].
template <typename T>
using SiluMulFn = void(Matrix<T> gate, Matrix<const T> up);

// From the gradient of the result to that of x, rounded once: with r = 1 / sqrt(mean(x^2) + eps)
// and g = out weight, r g - x r^3 mean(g x). All [rows, cols]; `in` may be out.
template <typename T>
struct RmsNormGradient {
  Matrix<const T> out, x;
  const T* weight = nullptr;  // [cols]
  float eps = 0;
  Matrix<T> in;
};
template <typename T>
using RmsNormBackwardFn = void(const RmsNormGradient<T>& args);

// With s = 1 / (1 + exp(-gate)) and silu = gate s: gate_in = out up (s + silu (1 - s)), up_in = out
// silu, rounded once. All [rows, cols].
template <typename T>
struct SiluMulGradient {
  Matrix<const T> out, gate, up;
  Matrix<T> gate_in, up_in;
};
template <typename T>
using SiluMulBackwardFn = void(const SiluMulGradient<T>& args);

// Rotary positions, halves of a head paired (GPT-NeoX order). Row r is at position r.
template <typename T>
struct Rotation {
  Matrix<const T> x;       // [rows, heads * head_dim]
  Matrix<T> out;           // likewise; may be x
  const T* cos = nullptr;  // [rows, head_dim / 2]
  const T* sin = nullptr;
  int64_t head_dim = 2;
};

// Of a head's halves: a = round(round(a cos) - round(b sin)), b = round(round(b cos) + round(a
// sin)).
template <typename T>
using RotateFn = void(const Rotation<T>& rotation);

}  // namespace rondo::kernels
