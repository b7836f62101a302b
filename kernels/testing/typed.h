// A backend's functions for float or for the bits of a bfloat16, and such values from and to
// numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "kernels/api/backend.h"

namespace rondo::kernels::testing {

template <typename T>
struct Typed;

template <>
struct Typed<float> {
  static auto* DequantizeCodebook(const HostBackend& b) { return b.dequantize_codebook; }
  static auto* CodebookGradient(const HostBackend& b) { return b.codebook_gradient; }
  static auto* Distill(const HostBackend& b) { return b.distill; }
  static std::vector<float> FromFloats(const std::vector<float>& values) { return values; }
  static double ToDouble(float v) { return v; }
};

template <>
struct Typed<uint16_t> {
  static auto* DequantizeCodebook(const HostBackend& b) { return b.dequantize_codebook_bf16; }
  static auto* CodebookGradient(const HostBackend& b) { return b.codebook_gradient_bf16; }
  static auto* Distill(const HostBackend& b) { return b.distill_bf16; }
  static std::vector<uint16_t> FromFloats(const std::vector<float>& values) {  // towards zero
    std::vector<uint16_t> bits;
    bits.reserve(values.size());
    for (float v : values) bits.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
    return bits;
  }
  static double ToDouble(uint16_t v) { return std::bit_cast<float>(uint32_t{v} << 16); }
};

}  // namespace rondo::kernels::testing
