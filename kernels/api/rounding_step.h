// What a training step does with variables of learned rounding after the backward pass
// (docs/algorithms.md 4.1, 5.4), in one pass over each array: the gradient with respect to alpha,
// then Adam. With sigma the logistic function, h(a) = clamp(1.2 sigma(a) - 0.1, 0, 1). All is
// float32 in the order of operations of kernels/reference/rounding_step.h, so every backend gives
// the same bits. Inputs are finite; no allocation, no state.
#pragma once

#include <cstdint>

namespace rondo::kernels {

// Variables whose regulariser is summed in float32, kErrorSums lanes (kernels/api/quantize.h).
inline constexpr int64_t kRoundingChunk = 256;

// gradient = sum h'(alpha) + weight uses d/dalpha (1 - |2 h(alpha) - 1|^beta).
struct RoundingGradient {
  const float* alpha = nullptr;  // [count]
  const float* uses = nullptr;   // [count]: weights that read the variable
  const float* sum = nullptr;    // [count]: dL/dh of all of them
  float* gradient = nullptr;     // [count], out; may be sum
  // [ceil(count / kRoundingChunk)], out: sum of uses (1 - |2h - 1|^beta); 0 where weight is 0.
  double* regulariser = nullptr;
  int64_t count = 0;
  bool saturate = true;  // h' is 0 where h is clamped; the regulariser's always is
  float weight = 0;
  float beta = 2;  // >= 1
};
using RoundingGradientFn = void(const RoundingGradient& args);

// Adam (arXiv 1412.6980, algorithm 1) without weight decay.
inline constexpr float kAdamBeta1 = 0.9f, kAdamBeta2 = 0.99f, kAdamEpsilon = 1e-8f;

struct Adam {
  float* value = nullptr;  // [count], as are the others
  const float* gradient = nullptr;
  float* mean = nullptr;
  float* variance = nullptr;
  int64_t count = 0;
  float rate = 0;    // learning rate / (1 - beta1^step)
  float spread = 1;  // 1 / sqrt(1 - beta2^step)
};
using AdamFn = void(const Adam& args);

}  // namespace rondo::kernels
