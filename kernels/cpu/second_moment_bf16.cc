#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/backends.h"

// X^T X on VDPBF16PS: a lane adds the two products of a pair of tokens. `packed` holds, for each
// part of 16 features, [pairs of tokens][16 features] words of two bfloat16 (the earlier token
// low), so that one vector is 16 features of a pair, and one broadcast word is a feature of it.
// A block of kRows x 48 sums stays in registers over kPairs pairs; then H takes them.
namespace rondo::kernels::cpu {
namespace {

constexpr int64_t kPart = 16;                           // features: one vector
constexpr int64_t kParts = kSecondMomentPanel / kPart;  // vectors of a panel
constexpr int64_t kRows = 8;                            // rows of H: 24 sums in registers
constexpr int64_t kPairs = 512;   // tokens / 2 at a time: a panel takes 96 KiB
constexpr int64_t kResident = 4;  // panels of columns that stay in L2 while the rows pass by

// Words of two tokens: low and high 256 bits hold 16 features of the earlier and the later token.
__m512i Interleave(__m256i earlier, __m256i later) {
  const __m512i low = _mm512_cvtepu16_epi32(earlier);
  return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(later), 16));
}

void PackPart(const SecondMoment& args, int64_t feature, uint32_t* out) {
  const int64_t tokens = args.x.rows;
  const int64_t left = args.x.cols - feature;
  const __mmask16 mask = left >= kPart ? 0xffff
                         : left <= 0   ? 0
                                       : static_cast<__mmask16>((1u << left) - 1);
  const uint16_t* x = args.x.data + feature;
  for (int64_t t = 0; t < tokens; t += 2, x += 2 * args.x.stride, out += kPart) {
    const __m256i earlier = _mm256_maskz_loadu_epi16(mask, x);
    const __mmask16 later_mask = t + 1 < tokens ? mask : 0;  // an odd token is paired with zeros
    const __m256i later = _mm256_maskz_loadu_epi16(later_mask, x + args.x.stride);
    _mm512_store_si512(out, Interleave(earlier, later));
  }
}

// sums[r][v] = sum over pairs of rows[pair][r] (two tokens) * cols[v][pair][0..15].
struct Block {
  const uint32_t* rows;  // kRows words of each 16
  const uint32_t* cols;  // first of kParts parts
  int64_t part_stride;   // words between parts
  int64_t pairs;
};

void Multiply(const Block& block, __m512 (&sums)[kRows][kParts]) {
  for (auto& row : sums) {
    for (auto& sum : row) sum = _mm512_setzero_ps();
  }
  const uint32_t* rows = block.rows;
  const uint32_t* cols = block.cols;
  for (int64_t p = 0; p < block.pairs; ++p, rows += kPart, cols += kPart) {
    __m512i b[kParts];
#pragma GCC unroll 3
    for (int v = 0; v < kParts; ++v) b[v] = _mm512_load_si512(cols + v * block.part_stride);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i a = _mm512_set1_epi32(static_cast<int>(rows[r]));
#pragma GCC unroll 3
      for (int v = 0; v < kParts; ++v) {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], (__m512bh)a, (__m512bh)b[v]);
      }
    }
  }
}

// h[r][c] += sums for columns c <= row and c < in.
void AddLower(const SecondMoment& args, int64_t row, int64_t col,
              const __m512 (&sums)[kRows][kParts]) {
  const int64_t rows = args.h.rows - row < kRows ? args.h.rows - row : kRows;
  for (int64_t r = 0; r < rows; ++r) {
    float* h = args.h.data + (row + r) * args.h.stride + col;
    for (int64_t v = 0; v < kParts; ++v) {
      const int64_t count = row + r - (col + v * kPart) + 1;
      if (count <= 0) break;
      const __mmask16 mask = count >= kPart ? 0xffff : static_cast<__mmask16>((1u << count) - 1);
      const __m512 old = _mm512_maskz_loadu_ps(mask, h + v * kPart);
      _mm512_mask_storeu_ps(h + v * kPart, mask, _mm512_add_ps(old, sums[r][v]));
    }
  }
}

struct Tile {
  int64_t part;         // rows of H: 16 features
  int64_t panel;        // columns of H: 48 features
  int64_t pair, pairs;  // tokens
};

void AddPart(const SecondMoment& args, const Tile& tile) {
  const int64_t part_stride = (args.x.rows + 1) / 2 * kPart;
  const uint32_t* rows = args.packed + tile.part * part_stride + tile.pair * kPart;
  const uint32_t* cols = args.packed + tile.panel * kParts * part_stride + tile.pair * kPart;
  for (int64_t r = 0; r < kPart; r += kRows) {
    __m512 sums[kRows][kParts];
    Multiply({rows + r, cols, part_stride, tile.pairs}, sums);
    AddLower(args, tile.part * kPart + r, tile.panel * kSecondMomentPanel, sums);
  }
}

}  // namespace

void PackSecondMomentBf16(const SecondMoment& args, int64_t panel_begin, int64_t panel_end) {
  const int64_t pairs = (args.x.rows + 1) / 2;
  for (int64_t part = panel_begin * kParts; part < panel_end * kParts; ++part) {
    PackPart(args, part * kPart, args.packed + part * pairs * kPart);
  }
}

void AccumulateSecondMomentBf16(const SecondMoment& args, int64_t panel_begin, int64_t panel_end) {
  const int64_t pairs = (args.x.rows + 1) / 2;
  for (int64_t from = 0; from < pairs; from += kPairs) {
    const int64_t count = pairs - from < kPairs ? pairs - from : kPairs;
    for (int64_t begin = 0; begin < panel_end; begin += kResident) {
      const int64_t first = begin < panel_begin ? panel_begin : begin;
      for (int64_t part = first * kParts; part < panel_end * kParts; ++part) {
        for (int64_t panel = begin; panel < begin + kResident && panel <= part / kParts; ++panel) {
          AddPart(args, {part, panel, from, count});
        }
      }
    }
  }
}

}  // namespace rondo::kernels::cpu
