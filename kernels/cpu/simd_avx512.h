// 16 float lanes in one AVX-512 register. Only translation units built for it may include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rondo::kernels::cpu {

struct Avx512Ops {
  using F = __m512;
  static constexpr int kGptqVectors = 2;     // vectors of rows that gptq_block interleaves
  static constexpr int kGptqColumns = 8;     // columns it updates at a time
  static constexpr int kNearestPoints = 6;   // points that share 16 kNearestVectors centres:
  static constexpr int kNearestVectors = 2;  // 27 of 32 registers

  // The N forms take 1 <= n <= 16 lanes. Masked stores of bytes and words are slow on Zen 4, so a
  // whole vector goes without a mask.
  static __mmask16 First(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F LoadN(const float* p, int64_t n) {
    return n >= 16 ? Load(p) : _mm512_maskz_loadu_ps(First(n), p);
  }
  static void Store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static void StoreN(float* p, F v, int64_t n) {
    if (n >= 16) return Store(p, v);
    _mm512_mask_storeu_ps(p, First(n), v);
  }
  static F LoadCodesN(const uint8_t* p, int64_t n) {
    const __m128i codes = n >= 16 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))
                                  : _mm_maskz_loadu_epi8(First(n), p);
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes));
  }
  static void StoreCodesN(uint8_t* p, F v, int64_t n) {
    const __m128i codes = _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v));
    if (n >= 16) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), codes);
    _mm_mask_storeu_epi8(p, First(n), codes);
  }

  // Bfloat16: the high half of a float.
  static F LoadHighN(const uint16_t* p, int64_t n) {
    const __m256i half = n >= 16 ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                 : _mm256_maskz_loadu_epi16(First(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
  static void StoreHighN(uint16_t* p, F v, int64_t n) {
    const __m256i half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(v), 16));
    if (n >= 16) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), half);
    _mm256_mask_storeu_epi16(p, First(n), half);
  }
  static F RoundHigh(F v) {  // half to even; NaN to the quiet one
    const __m512i bits = _mm512_castps_si512(v);
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __m512i below_half = _mm512_set1_epi32(0x7fff), half = _mm512_set1_epi32(0x8000);
    const __m512i up = _mm512_add_epi32(bits, _mm512_mask_mov_epi32(below_half, odd, half));
    const __mmask16 number = _mm512_cmp_ps_mask(v, v, _CMP_ORD_Q);
    return _mm512_castsi512_ps(_mm512_mask_and_epi32(_mm512_set1_epi32(0x7fc00000), number, up,
                                                     _mm512_set1_epi32(-0x10000)));
  }

  static F Set1(float v) { return _mm512_set1_ps(v); }
  static F Add(F a, F b) { return _mm512_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Div(F a, F b) { return _mm512_div_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F FnMadd(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F Min(F a, F b) { return _mm512_min_ps(a, b); }
  static F Max(F a, F b) { return _mm512_max_ps(a, b); }
  static F Sqrt(F a) { return _mm512_sqrt_ps(a); }
  static F Abs(F a) { return _mm512_abs_ps(a); }
  static F Rint(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static F FloatOfBits(F a) { return _mm512_cvtepi32_ps(_mm512_castps_si512(a)); }
  static F BitsOfFloat(F a) { return _mm512_castsi512_ps(_mm512_cvttps_epi32(a)); }
  static F Scale(F v, F n) { return _mm512_scalef_ps(v, n); }

  // Eight lanes of each.
  static F LoadPair(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high),
                              1);
  }
  using Mask = __mmask16;
  static Mask Inside(F v, F low, F high) {
    return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, low, _CMP_GE_OQ), v, high, _CMP_LE_OQ);
  }
  static F Keep(F v, Mask mask) { return _mm512_maskz_mov_ps(mask, v); }  // else 0
  // sum = a * b + sum where the mask has it, of the first or the last eight lanes.
  static void FmaLow(float* sum, F a, F b, Mask mask) {
    const __m256 x = _mm512_castps512_ps256(a), y = _mm512_castps512_ps256(b);
    _mm256_storeu_ps(sum, _mm256_mask3_fmadd_ps(x, y, _mm256_loadu_ps(sum), mask & 0xff));
  }
  static void FmaHigh(float* sum, F a, F b, Mask mask) {
    const __m256 x = _mm512_extractf32x8_ps(a, 1), y = _mm512_extractf32x8_ps(b, 1);
    _mm256_storeu_ps(sum, _mm256_mask3_fmadd_ps(x, y, _mm256_loadu_ps(sum), mask >> 8));
  }
  // max(|v|, most), most >= 0; a NaN of v does not count.
  static F MaxAbs(F v, F most) { return _mm512_range_ps(v, most, 0xb); }
  // Where v < best, v and its place.
  static void KeepLess(F v, F place, F* best, F* best_place) {
    const __mmask16 less = _mm512_cmp_ps_mask(v, *best, _CMP_LT_OQ);
    *best = _mm512_mask_mov_ps(*best, less, v);
    *best_place = _mm512_mask_mov_ps(*best_place, less, place);
  }

  // sum[l] += pivot * v[l]^2 for 16 sums.
  static void AddSquares(double* sum, double pivot, F v) {
    const __m512d p = _mm512_set1_pd(pivot);
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    const __m512d low_term = _mm512_mul_pd(p, _mm512_mul_pd(low, low));
    const __m512d high_term = _mm512_mul_pd(p, _mm512_mul_pd(high, high));
    _mm512_storeu_pd(sum, _mm512_add_pd(_mm512_loadu_pd(sum), low_term));
    _mm512_storeu_pd(sum + 8, _mm512_add_pd(_mm512_loadu_pd(sum + 8), high_term));
  }

  static void Transpose(F v[16]) {
    __m512 a[16];
    for (int i = 0; i < 16; i += 2) {  // pairs of rows
      a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
      a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    __m512 b[16];
    for (int i = 0; i < 16; i += 4) {  // fours: b[i + c] holds column c of each 128-bit part
      b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
      b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int c = 0; c < 4; ++c) {  // 128-bit parts: v[4 p + c] takes part p of each four
      const __m512 even_low = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88);
      const __m512 odd_low = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd);
      const __m512 even_high = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
      const __m512 odd_high = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
      v[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
      v[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
      v[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
      v[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
  }

  // Bytes 0..7 of `codes`, each below 2^bits, to 8 * bits dense bits, and back.
  static uint64_t Squeeze(uint64_t codes, uint64_t mask, int bits) {
    return _pext_u64(codes, mask);
  }
  static uint64_t Spread(uint64_t stream, uint64_t mask, int bits) {
    return _pdep_u64(stream, mask);
  }
};

}  // namespace rondo::kernels::cpu
