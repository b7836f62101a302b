// Dense little-endian bit streams of b-bit codes in 32-bit words (docs/formats.md): element k
// occupies bits [k*b, (k+1)*b) of its row's stream and may straddle two words; unused bits are 0.
// 1 <= bits <= 8. No allocation, no state.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

// Words that `count` codes of `bits` bits take.
constexpr int64_t PackedWords(int64_t count, int bits) { return (count * bits + 31) / 32; }

// codes: [rows, cols], each below 2^bits -> words: [rows, PackedWords(cols, bits)], row by row.
using PackRowsFn = void(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words);
using UnpackRowsFn = void(Matrix<const uint32_t> words, int bits, Matrix<uint8_t> codes);

}  // namespace rondo::kernels
