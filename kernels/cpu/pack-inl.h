// Bit streams eight codes at a time: eight b-bit codes are exactly b bytes of the stream.
#pragma once

#include <cstring>

#include "kernels/api/pack.h"

namespace rondo::kernels::cpu {

template <typename Ops>
void PackRows(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words) {
  const int64_t bytes = PackedWords(codes.cols, bits) * 4;
  const uint64_t mask = ((1u << bits) - 1) * 0x0101010101010101ull;
  for (int64_t r = 0; r < codes.rows; ++r) {
    const uint8_t* in = codes.data + r * codes.stride;
    auto* out = reinterpret_cast<unsigned char*>(words.data + r * words.stride);
    int64_t k = 0, at = 0;
    for (; k + 8 <= codes.cols && at + 8 <= bytes; k += 8, at += bits) {  // writes 8, keeps `bits`
      uint64_t eight;
      std::memcpy(&eight, in + k, 8);
      const uint64_t stream = Ops::Squeeze(eight, mask, bits);
      std::memcpy(out + at, &stream, 8);
    }
    for (; at < bytes; k += 8, at += bits) {
      const int64_t left = codes.cols - k;
      uint64_t eight = 0;
      if (left > 0) std::memcpy(&eight, in + k, left < 8 ? left : 8);
      const uint64_t stream = Ops::Squeeze(eight, mask, bits);
      std::memcpy(out + at, &stream, bytes - at < bits ? bytes - at : bits);
    }
  }
}

template <typename Ops>
void UnpackRows(Matrix<const uint32_t> words, int bits, Matrix<uint8_t> codes) {
  const int64_t bytes = PackedWords(codes.cols, bits) * 4;
  const uint64_t mask = ((1u << bits) - 1) * 0x0101010101010101ull;
  const uint64_t used = ~uint64_t{0} >> (64 - 8 * bits);
  for (int64_t r = 0; r < codes.rows; ++r) {
    const auto* in = reinterpret_cast<const unsigned char*>(words.data + r * words.stride);
    uint8_t* out = codes.data + r * codes.stride;
    int64_t k = 0, at = 0;
    for (; k + 8 <= codes.cols && at + 8 <= bytes; k += 8, at += bits) {  // reads 8, uses `bits`
      uint64_t stream;
      std::memcpy(&stream, in + at, 8);
      const uint64_t eight = Ops::Spread(stream & used, mask, bits);
      std::memcpy(out + k, &eight, 8);
    }
    for (; k < codes.cols; k += 8, at += bits) {
      uint64_t stream = 0;
      std::memcpy(&stream, in + at, bytes - at < 8 ? bytes - at : 8);
      const uint64_t eight = Ops::Spread(stream & used, mask, bits);
      std::memcpy(out + k, &eight, codes.cols - k < 8 ? codes.cols - k : 8);
    }
  }
}

}  // namespace rondo::kernels::cpu
