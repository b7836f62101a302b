// A float, or the bits of a bfloat16, as a float and back. For files of no particular instruction
// set only (docs/kernels.md).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace rondo::kernels::reference {

inline float Widen(float v) { return v; }
inline float Widen(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Half to even; NaN to the quiet one.
template <typename T>
T Narrow(float v) {
  if constexpr (std::is_same_v<T, float>) {
    return v;
  } else {
    if (std::isnan(v)) return 0x7fc0;
    const auto bits = std::bit_cast<uint32_t>(v);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

}  // namespace rondo::kernels::reference
