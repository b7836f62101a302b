// The operations of kernels/api/codebook.h for blocks of 8, two blocks a vector: a block has one
// scale, and one row of the codebook in half a vector.
#pragma once

#include "kernels/api/codebook.h"
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::cpu {

inline constexpr int64_t kBlock = 8;

inline __attribute__((always_inline)) bool InWholeBlocks(const CodebookView& layer) {
  return layer.dim == kBlock && layer.base.cols % kBlock == 0 &&
         layer.grid.group_size % kBlock == 0;
}

// Calls step(r, j, n, grid, base + r, codes of the blocks), n 16 or 8 columns from j.
template <typename Ops, typename Step>
inline __attribute__((always_inline)) void ForBlocks(const CodebookView& layer, Step step) {
  const auto& base = layer.base;
  const auto offset = Ops::Set1(static_cast<float>(layer.base_offset));
  ForLanes<Ops>(
      base.rows, base.cols, layer.grid,
      [&](int64_t r, int64_t j, int64_t n,
          const LaneGrid<Ops>& grid) __attribute__((always_inline)) {
        const uint16_t* codes = layer.codes + (r * base.cols + j) / kBlock;
        const float* low = layer.rounding + codes[0] * kBlock;
        const float* high = n > kBlock ? layer.rounding + codes[1] * kBlock : low;
        const auto whole = Ops::Sub(Ops::LoadCodesN(base.data + r * base.stride + j, n), offset);
        step(r, j, n, grid, Ops::Add(whole, Ops::LoadPair(low, high)), codes);
      });
}

template <typename Ops, typename T>
void DequantizeCodebook(const CodebookView& layer, Matrix<T> out) {
  if (!InWholeBlocks(layer)) return reference::DequantizeCodebook<T>(layer, out);
  ForBlocks<Ops>(
      layer, [&](int64_t r, int64_t j, int64_t n, const LaneGrid<Ops>& grid,
                 typename Ops::F position, const uint16_t*) __attribute__((always_inline)) {
        const auto code = Ops::Min(Ops::Max(position, Ops::Set1(0.0f)), grid.maxq);
        Lanes<Ops, T>::StoreN(out.data + r * out.stride + j, grid.Value(code), n);
      });
}

template <typename Ops, typename T>
void CodebookGradient(const CodebookView& layer, Matrix<const T> dw, float* sum) {
  if (!InWholeBlocks(layer)) return reference::CodebookGradient<T>(layer, dw, sum);
  ForBlocks<Ops>(
      layer, [&](int64_t r, int64_t j, int64_t n, const LaneGrid<Ops>& grid,
                 typename Ops::F position, const uint16_t* codes) __attribute__((always_inline)) {
        const auto d = Lanes<Ops, T>::LoadN(dw.data + r * dw.stride + j, n);
        const auto inside = Ops::Inside(position, Ops::Set1(0.0f), grid.maxq);
        Ops::FmaLow(sum + codes[0] * kBlock, d, grid.scale, inside);
        if (n > kBlock) Ops::FmaHigh(sum + codes[1] * kBlock, d, grid.scale, inside);
      });
}

}  // namespace rondo::kernels::cpu
