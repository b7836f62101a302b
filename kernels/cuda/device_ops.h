// One float of the device as a number type of power.h, exp.h and log.h; bfloat16 as its bits. For
// .cu files.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
namespace rondo::kernels::cuda {

struct DeviceOps {
  using F = float;
  static __device__ F Set1(float v) { return v; }
  static __device__ F Add(F a, F b) { return a + b; }
  static __device__ F Sub(F a, F b) { return a - b; }
  static __device__ F Mul(F a, F b) { return a * b; }
  static __device__ F Div(F a, F b) { return a / b; }
  static __device__ F Sqrt(F a) { return sqrtf(a); }
  static __device__ F Abs(F a) { return fabsf(a); }
  static __device__ F Fma(F a, F b, F c) { return fmaf(a, b, c); }
  static __device__ F FnMadd(F a, F b, F c) { return fmaf(-a, b, c); }
  static __device__ F Min(F a, F b) { return a < b ? a : b; }
  static __device__ F Max(F a, F b) { return a > b ? a : b; }
  static __device__ bool Inside(F v, F low, F high) { return v >= low && v <= high; }
  static __device__ F Keep(F v, bool mask) { return mask ? v : 0.0f; }
  static __device__ F Rint(F a) { return rintf(a); }
  static __device__ F FloatOfBits(F a) { return static_cast<float>(__float_as_int(a)); }
  static __device__ F BitsOfFloat(F a) { return __int_as_float(static_cast<int>(a)); }
  // For v and v 2^n normal.
  static __device__ F Scale(F v, F n) {
    return v * __int_as_float((static_cast<int>(n) + 127) << 23);
  }
};

__device__ __forceinline__ float Widen(float v) { return v; }
__device__ __forceinline__ float Widen(uint16_t bits) {
  return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}

// Half to even; NaN to the quiet one.
__device__ __forceinline__ void Narrow(float v, float* out) { *out = v; }
__device__ __forceinline__ void Narrow(float v, uint16_t* out) {
  const uint32_t bits = __float_as_uint(v);
  *out = isnan(v) ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace rondo::kernels::cuda
#endif
