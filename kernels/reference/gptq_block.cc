#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {
namespace {

void Row(const GptqBlock& b, int64_t r) {
  float t[kMaxGptqBlock];
  const int64_t cols = b.target.cols;
  std::copy_n(b.target.data + r * b.target.stride, cols, t);
  double sum = 0.0;
  for (int64_t j = 0; j < cols; ++j) {
    const float scale = b.scale[r * b.groups + b.group_of_column[j]];
    const float zero_point = b.zero_point[r * b.groups + b.group_of_column[j]];
    const float code =
        std::min(std::max(std::rint(t[j] / scale) + zero_point, 0.0f), static_cast<float>(b.maxq));
    const float q = scale * (code - zero_point);
    const float error = b.weight.data[r * b.weight.stride + j] - q;
    const double step = t[j] - q;
    sum += static_cast<double>(b.pivots[j]) * (step * step);
    b.codes.data[r * b.codes.stride + j] = static_cast<uint8_t>(code);
    b.error.data[r * b.error.stride + j] = error;
    const float* feedback = b.feedback.data + j * b.feedback.stride;
    for (int64_t k = j + 1; k < cols; ++k) t[k] = std::fma(error, feedback[k], t[k]);
  }
  b.loss[r] += sum;
}

}  // namespace

void RunGptqBlock(const GptqBlock& block) {
  for (int64_t r = 0; r < block.target.rows; ++r) Row(block, r);
}

}  // namespace rondo::kernels::reference
