// exp(x) out of basic operations, as Power24 of power.h: within 2 units of the last place for x in
// [-87, 88], and the value there outside of it. Scale(v, n) is v 2^n.
#pragma once

#include "kernels/reference/power.h"

namespace rondo::kernels {

// exp(x) = 2^n exp(r), n = rint(x / ln 2), r in [-ln 2 / 2, ln 2 / 2] by two parts of ln 2 (Cody
// and Waite), exp(r) by its Taylor polynomial of degree 7 (remainder 5e-9).
template <typename Ops>
RONDO_KERNEL_INLINE typename Ops::F Exp(typename Ops::F x) {
  using F = typename Ops::F;
  x = Ops::Min(Ops::Set1(88.0f), Ops::Max(Ops::Set1(-87.0f), x));  // a NaN as second passes
  const F n = Ops::Rint(Ops::Mul(x, Ops::Set1(0x1.715476p+0f)));
  F r = Ops::FnMadd(n, Ops::Set1(0x1.62e4p-1f), x);
  r = Ops::FnMadd(n, Ops::Set1(0x1.7f7d1cp-20f), r);
  constexpr float kTerms[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  F sum = Ops::Set1(1.0f / 5040);
  for (float term : kTerms) sum = Ops::Fma(sum, r, Ops::Set1(term));
  return Ops::Scale(sum, n);
}

}  // namespace rondo::kernels
