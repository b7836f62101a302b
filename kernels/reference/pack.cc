#include <algorithm>

#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {

void PackRows(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words) {
  for (int64_t r = 0; r < codes.rows; ++r) {
    uint32_t* row = words.data + r * words.stride;
    std::fill_n(row, PackedWords(codes.cols, bits), 0u);
    for (int64_t k = 0; k < codes.cols; ++k) {
      const uint64_t code = codes.data[r * codes.stride + k];
      const int64_t bit = k * bits;
      const uint64_t shifted = code << (bit % 32);
      row[bit / 32] |= static_cast<uint32_t>(shifted);
      if (bit % 32 + bits > 32) row[bit / 32 + 1] |= static_cast<uint32_t>(shifted >> 32);
    }
  }
}

void UnpackRows(Matrix<const uint32_t> words, int bits, Matrix<uint8_t> codes) {
  for (int64_t r = 0; r < codes.rows; ++r) {
    const uint32_t* row = words.data + r * words.stride;
    for (int64_t k = 0; k < codes.cols; ++k) {
      const int64_t bit = k * bits;
      uint64_t window = row[bit / 32];
      if (bit % 32 + bits > 32) window |= static_cast<uint64_t>(row[bit / 32 + 1]) << 32;
      codes.data[r * codes.stride + k] =
          static_cast<uint8_t>((window >> (bit % 32)) & ((1u << bits) - 1));
    }
  }
}

}  // namespace rondo::kernels::reference
