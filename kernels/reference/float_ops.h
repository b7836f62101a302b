// One float as a number type of power.h and exp.h.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace rondo::kernels::reference {

struct FloatOps {
  using F = float;
  static F Set1(float v) { return v; }
  static F Add(F a, F b) { return a + b; }
  static F Sub(F a, F b) { return a - b; }
  static F Mul(F a, F b) { return a * b; }
  static F Div(F a, F b) { return a / b; }
  static F Sqrt(F a) { return std::sqrt(a); }
  static F Abs(F a) { return std::fabs(a); }
  static F Fma(F a, F b, F c) { return std::fma(a, b, c); }
  static F FnMadd(F a, F b, F c) { return std::fma(-a, b, c); }
  static F Min(F a, F b) { return a < b ? a : b; }
  static F Max(F a, F b) { return a > b ? a : b; }
  static bool Inside(F v, F low, F high) { return v >= low && v <= high; }
  static F Keep(F v, bool mask) { return mask ? v : 0.0f; }
  static F Rint(F a) { return std::rint(a); }
  static F FloatOfBits(F a) { return static_cast<float>(std::bit_cast<int32_t>(a)); }
  static F BitsOfFloat(F a) { return std::bit_cast<float>(static_cast<int32_t>(a)); }
  static F Scale(F v, F n) { return std::isnan(n) ? n : std::ldexp(v, static_cast<int>(n)); }
};

}  // namespace rondo::kernels::reference
