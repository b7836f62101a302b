// log(x) in double precision out of basic operations, so that host and device give the same bits:
// within 2e-16 (1 + |log x|) for positive normal x, NaN for what is no positive normal number.
// Ops only tells the instruction sets' copies apart.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/reference/power.h"

namespace rondo::kernels {

// x = 2^n m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172, by
// its series to s^21 (remainder 1e-18).
template <typename Ops>
RONDO_KERNEL_INLINE double Log(double x) {
  constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcd;
  constexpr uint64_t kOne = uint64_t{1} << 52;
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if (bits < kOne || bits >= 2047 * kOne) return x - x == 0.0 ? (x - x) / (x - x) : x - x;
  const int64_t n = (static_cast<int64_t>(bits) - static_cast<int64_t>(kRootHalf)) >> 52;
  bits -= static_cast<uint64_t>(n) << 52;
  double m;
  std::memcpy(&m, &bits, sizeof(m));
  const double s = (m - 1.0) / (m + 1.0), square = s * s;
  double series = 0.0;
  for (int k = 21; k > 1; k -= 2) series = (series + 1.0 / k) * square;
  const double exponent = static_cast<double>(n);
  // ln 2 in two parts: the first times n is exact.
  return exponent * 0x1.62e42fefa38p-1 +
         (2.0 * s + (2.0 * s * series + exponent * 0x1.ef35793c7673p-45));
}

}  // namespace rondo::kernels
