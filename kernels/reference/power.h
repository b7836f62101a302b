// x^2.4 for x >= 0 out of basic operations, so that every backend gives the same bits (within 5e-7
// of the exact value, 0 for 0). Ops is a number type with its operations: one float here, 16 lanes
// in kernels/cpu, a device float in kernels/cuda.
#pragma once

namespace rondo::kernels {

#ifdef __CUDACC__
#define RONDO_KERNEL_INLINE __device__ __forceinline__
#else
#define RONDO_KERNEL_INLINE inline
#endif

// x^2.4 = (x * x^-0.2)^3. The guess for y = x^-0.2 takes the bits of x as its logarithm (3.2 %
// off); each step is the binomial series of (1 - r)^-0.2 with r = 1 - x y^5, cubic convergence.
template <typename Ops>
RONDO_KERNEL_INLINE typename Ops::F Power24(typename Ops::F x) {
  using F = typename Ops::F;
  const F bits = Ops::FloatOfBits(x);
  F y = Ops::BitsOfFloat(Ops::FnMadd(Ops::Set1(0.2f), bits, Ops::Set1(1277920512.0f)));
  for (int step = 0; step < 2; ++step) {
    const F y2 = Ops::Mul(y, y);
    const F r = Ops::FnMadd(Ops::Mul(x, y), Ops::Mul(y2, y2), Ops::Set1(1.0f));
    const F series = Ops::Fma(r, Ops::Set1(0.12f), Ops::Set1(0.2f));
    y = Ops::Fma(Ops::Mul(y, r), series, y);
  }
  const F v = Ops::Mul(x, y);
  return Ops::Mul(Ops::Mul(v, v), v);
}

}  // namespace rondo::kernels
