// 16 float lanes in two AVX2 registers. Only translation units built for it may include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rondo::kernels::cpu {

struct Avx2Ops {
  struct F {
    __m256 low;
    __m256 high;
  };
  static constexpr int kGptqVectors = 1;    // vectors of rows that gptq_block interleaves
  static constexpr int kGptqColumns = 4;    // columns it updates at a time: 8 of 16 registers
  static constexpr int kNearestPoints = 4;  // points that share 16 kNearestVectors centres
  static constexpr int kNearestVectors = 1;

  static F Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void Store(float* p, F v) {
    _mm256_storeu_ps(p, v.low);
    _mm256_storeu_ps(p + 8, v.high);
  }
  static F LoadN(const float* p, int64_t n) {
    if (n >= 16) return Load(p);
    float padded[16] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return Load(padded);
  }
  static void StoreN(float* p, F v, int64_t n) {
    if (n >= 16) return Store(p, v);
    float padded[16];
    Store(padded, v);
    for (int64_t i = 0; i < n; ++i) p[i] = padded[i];
  }
  static F LoadCodes(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  static void StoreCodes(uint8_t* p, F v) {
    const __m256i words = _mm256_packus_epi32(_mm256_cvttps_epi32(v.low),
                                              _mm256_cvttps_epi32(v.high));  // 0-3 8-11 4-7 12-15
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  static F LoadCodesN(const uint8_t* p, int64_t n) {
    if (n >= 16) return LoadCodes(p);
    uint8_t padded[16] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return LoadCodes(padded);
  }
  static void StoreCodesN(uint8_t* p, F v, int64_t n) {
    if (n >= 16) return StoreCodes(p, v);
    uint8_t padded[16];
    StoreCodes(padded, v);
    for (int64_t i = 0; i < n; ++i) p[i] = padded[i];
  }

  // Bfloat16: the high half of a float.
  static F LoadHigh(const uint16_t* p) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(half));
    const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(half, 1));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))};
  }
  static void StoreHigh(uint16_t* p, F v) {
    const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(v.low), 16);
    const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(v.high), 16);
    const __m256i words = _mm256_packus_epi32(low, high);  // 0-3 8-11 4-7 12-15
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(words, 0xd8));
  }
  static F LoadHighN(const uint16_t* p, int64_t n) {
    if (n >= 16) return LoadHigh(p);
    uint16_t padded[16] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return LoadHigh(padded);
  }
  static void StoreHighN(uint16_t* p, F v, int64_t n) {
    if (n >= 16) return StoreHigh(p, v);
    uint16_t padded[16];
    StoreHigh(padded, v);
    for (int64_t i = 0; i < n; ++i) p[i] = padded[i];
  }
  static __m256 RoundHigh8(__m256 v) {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i high = _mm256_and_si256(up, _mm256_set1_epi32(-0x10000));
    const __m256 quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    return _mm256_blendv_ps(_mm256_castsi256_ps(high), quiet, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  }
  // Half to even; NaN to the quiet one.
  static F RoundHigh(F v) { return {RoundHigh8(v.low), RoundHigh8(v.high)}; }

  static F Set1(float v) { return {_mm256_set1_ps(v), _mm256_set1_ps(v)}; }
  static F Add(F a, F b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static F Sub(F a, F b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static F Mul(F a, F b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static F Div(F a, F b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
  static F Min(F a, F b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  static F Max(F a, F b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static F Fma(F a, F b, F c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static F FnMadd(F a, F b, F c) {
    return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
  }
  static F Sqrt(F a) { return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)}; }
  static F Abs(F a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
  }
  static F Rint(F a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kNearest), _mm256_round_ps(a.high, kNearest)};
  }
  static F FloatOfBits(F a) {
    return {_mm256_cvtepi32_ps(_mm256_castps_si256(a.low)),
            _mm256_cvtepi32_ps(_mm256_castps_si256(a.high))};
  }
  static F BitsOfFloat(F a) {
    return {_mm256_castsi256_ps(_mm256_cvttps_epi32(a.low)),
            _mm256_castsi256_ps(_mm256_cvttps_epi32(a.high))};
  }
  static __m256 PowerOfTwo8(__m256 n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvttps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  static F Scale(F v, F n) {  // for v and v 2^n normal
    return {_mm256_mul_ps(v.low, PowerOfTwo8(n.low)), _mm256_mul_ps(v.high, PowerOfTwo8(n.high))};
  }

  // Eight lanes of each.
  static F LoadPair(const float* low, const float* high) {
    return {_mm256_loadu_ps(low), _mm256_loadu_ps(high)};
  }
  struct Mask {
    __m256 low;
    __m256 high;
  };
  static __m256 Inside8(__m256 v, __m256 low, __m256 high) {
    return _mm256_and_ps(_mm256_cmp_ps(v, low, _CMP_GE_OQ), _mm256_cmp_ps(v, high, _CMP_LE_OQ));
  }
  static Mask Inside(F v, F low, F high) {
    return {Inside8(v.low, low.low, high.low), Inside8(v.high, low.high, high.high)};
  }
  static F Keep(F v, Mask mask) {  // else 0
    return {_mm256_and_ps(v.low, mask.low), _mm256_and_ps(v.high, mask.high)};
  }
  static void Fma8(float* sum, __m256 a, __m256 b, __m256 mask) {
    const __m256 before = _mm256_loadu_ps(sum);
    _mm256_storeu_ps(sum, _mm256_blendv_ps(before, _mm256_fmadd_ps(a, b, before), mask));
  }
  // sum = a * b + sum where the mask has it, of the first or the last eight lanes.
  static void FmaLow(float* sum, F a, F b, Mask mask) { Fma8(sum, a.low, b.low, mask.low); }
  static void FmaHigh(float* sum, F a, F b, Mask mask) { Fma8(sum, a.high, b.high, mask.high); }
  // max(|v|, most), most >= 0; a NaN of v does not count.
  static F MaxAbs(F v, F most) { return Max(Abs(v), most); }
  static void KeepLess8(__m256 v, __m256 place, __m256* best, __m256* best_place) {
    const __m256 less = _mm256_cmp_ps(v, *best, _CMP_LT_OQ);
    *best = _mm256_min_ps(v, *best);
    *best_place = _mm256_blendv_ps(*best_place, place, less);
  }
  // Where v < best, v and its place.
  static void KeepLess(F v, F place, F* best, F* best_place) {
    KeepLess8(v.low, place.low, &best->low, &best_place->low);
    KeepLess8(v.high, place.high, &best->high, &best_place->high);
  }

  // sum[l] += pivot * v[l]^2 for 16 sums.
  static void AddSquares(double* sum, double pivot, F v) {
    const __m256d p = _mm256_set1_pd(pivot);
    const __m128 parts[4] = {_mm256_castps256_ps128(v.low), _mm256_extractf128_ps(v.low, 1),
                             _mm256_castps256_ps128(v.high), _mm256_extractf128_ps(v.high, 1)};
    for (int64_t i = 0; i < 4; ++i) {
      const __m256d d = _mm256_cvtps_pd(parts[i]);
      const __m256d term = _mm256_mul_pd(p, _mm256_mul_pd(d, d));
      _mm256_storeu_pd(sum + 4 * i, _mm256_add_pd(_mm256_loadu_pd(sum + 4 * i), term));
    }
  }

  static void Transpose8(__m256 v[8]) {
    __m256 a[8];
    for (int i = 0; i < 8; i += 2) {  // pairs of rows
      a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
      a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    __m256 b[8];
    for (int i = 0; i < 8; i += 4) {  // fours
      b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
      b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int c = 0; c < 4; ++c) {  // halves
      v[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
      v[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
    }
  }
  static void Transpose(F v[16]) {
    __m256 quarters[2][2][8];  // [rows][columns]
    for (int i = 0; i < 16; ++i) {
      quarters[i / 8][0][i % 8] = v[i].low;
      quarters[i / 8][1][i % 8] = v[i].high;
    }
    for (auto& half : quarters) {
      for (auto& quarter : half) Transpose8(quarter);
    }
    for (int i = 0; i < 16; ++i) v[i] = {quarters[0][i / 8][i % 8], quarters[1][i / 8][i % 8]};
  }

  // Bytes 0..7 of `codes`, each below 2^bits, to 8 * bits dense bits, and back, by halves: BMI2's
  // pext takes hundreds of cycles on the first AVX2 processors of AMD.
  static uint64_t Squeeze(uint64_t codes, uint64_t mask, int bits) {
    constexpr uint64_t kBytes = 0x00ff00ff00ff00ff, kWords = 0x0000ffff0000ffff;
    uint64_t x = (codes & kBytes) | ((codes >> 8 & kBytes) << bits);
    x = (x & kWords) | ((x >> 16 & kWords) << (2 * bits));
    return (x & 0xffffffff) | (x >> 32) << (4 * bits);
  }
  static uint64_t Spread(uint64_t stream, uint64_t mask, int bits) {
    uint64_t x = (stream & ((uint64_t{1} << (4 * bits)) - 1)) | (stream >> (4 * bits)) << 32;
    const uint64_t pairs = ((uint64_t{1} << (2 * bits)) - 1) * 0x0000000100000001;
    x = (x & pairs) | (x >> (2 * bits) & pairs) << 16;
    const uint64_t singles = ((uint64_t{1} << bits) - 1) * 0x0001000100010001;
    return (x & singles) | (x >> bits & singles) << 8;
  }
};

}  // namespace rondo::kernels::cpu
