// 16 float lanes in one AVX-512 register. Only translation units built for it may include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rondo::kernels::cpu {

struct Avx512Ops {
  using F = __m512;
  static constexpr int kGptqVectors = 2;  // vectors of rows that gptq_block interleaves
  static constexpr int kGptqColumns = 8;  // columns it updates at a time

  static __mmask16 First(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F LoadN(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(First(n), p); }
  static void Store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static void StoreN(float* p, F v, int64_t n) { _mm512_mask_storeu_ps(p, First(n), v); }
  static F LoadCodesN(const uint8_t* p, int64_t n) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(First(n), p)));
  }
  static void StoreCodesN(uint8_t* p, F v, int64_t n) {
    _mm512_mask_cvtepi32_storeu_epi8(p, First(n), _mm512_cvttps_epi32(v));
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
  static F Abs(F a) { return _mm512_abs_ps(a); }
  static F Rint(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static F FloatOfBits(F a) { return _mm512_cvtepi32_ps(_mm512_castps_si512(a)); }
  static F BitsOfFloat(F a) { return _mm512_castsi512_ps(_mm512_cvttps_epi32(a)); }

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
