// H += X^T X, the Hessian of a linear layer (docs/algorithms.md 3), for bfloat16 inputs with
// float32 sums. Only the lower triangle (column <= row) of H is read and written.
//
// Two steps over panels of kSecondMomentPanel features, with a barrier between them:
//   PackSecondMoment(args, begin, end)        copies those features into args.packed;
//   AccumulateSecondMoment(args, begin, end)  adds to the rows of H of those panels.
// Panels are disjoint, so callers split them over threads; the result does not depend on the
// split. Row panel p costs p + 1 units: SecondMomentShare gives shares of equal cost. Backends
// differ in rounding only: the order of the sums over tokens is their own, and fixed.
#pragma once

#include <cstdint>

#include "kernels/api/quantize.h"

namespace rondo::kernels {

inline constexpr int64_t kSecondMomentPanel = 48;  // features: 3 vectors of 16

struct SecondMoment {
  Matrix<const uint16_t> x;    // [tokens, in], bfloat16 bit patterns
  Matrix<float> h;             // [in, in]
  uint32_t* packed = nullptr;  // [SecondMomentScratch(tokens, in)], aligned to 64 bytes
};

constexpr int64_t SecondMomentPanels(int64_t in) {
  return (in + kSecondMomentPanel - 1) / kSecondMomentPanel;
}
// Words of `packed`: pairs of tokens, whole panels.
constexpr int64_t SecondMomentScratch(int64_t tokens, int64_t in) {
  return SecondMomentPanels(in) * kSecondMomentPanel * ((tokens + 1) / 2);
}

struct PanelRange {
  int64_t begin = 0;
  int64_t end = 0;
};
// Row panels of part `part` of `parts`, about equal in cost.
PanelRange SecondMomentShare(int64_t panels, int64_t part, int64_t parts);

using PackSecondMomentFn = void(const SecondMoment& args, int64_t panel_begin, int64_t panel_end);
using AccumulateSecondMomentFn = void(const SecondMoment& args, int64_t panel_begin,
                                      int64_t panel_end);

// True where Cpu() runs it on bfloat16 dot products (AVX512_BF16). Elsewhere Cpu() holds plain
// loops: a float32 matrix product is faster there.
bool SupportsSecondMomentBf16();

}  // namespace rondo::kernels
