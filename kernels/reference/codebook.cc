#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/bf16.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {
namespace {

// Calls step(r, j, entry of the codebook, base + r, group) for every weight in row-major order.
template <typename Step>
void ForWeights(const CodebookView& layer, Step step) {
  const auto& base = layer.base;
  for (int64_t r = 0; r < base.rows; ++r) {
    for (int64_t j = 0; j < base.cols; ++j) {
      const int64_t i = r * base.cols + j;
      const int64_t entry = layer.codes[i / layer.dim] * layer.dim + i % layer.dim;
      const int whole = static_cast<int>(base.data[r * base.stride + j]) - layer.base_offset;
      const float position = static_cast<float>(whole) + layer.rounding[entry];
      step(r, j, entry, position, r * layer.grid.groups + j / layer.grid.group_size);
    }
  }
}

}  // namespace

template <typename T>
void DequantizeCodebook(const CodebookView& layer, Matrix<T> out) {
  const auto maxq = static_cast<float>(layer.grid.maxq);
  ForWeights(layer, [&](int64_t r, int64_t j, int64_t entry, float position, int64_t g) {
    const float code = std::min(std::max(position, 0.0f), maxq);
    out.data[r * out.stride + j] =
        Narrow<T>(layer.grid.scale[g] * (code - layer.grid.zero_point[g]));
  });
}

template <typename T>
void CodebookGradient(const CodebookView& layer, Matrix<const T> dw, float* sum) {
  const auto maxq = static_cast<float>(layer.grid.maxq);
  ForWeights(layer, [&](int64_t r, int64_t j, int64_t entry, float position, int64_t g) {
    if (position < 0.0f || position > maxq) return;
    sum[entry] = std::fma(Widen(dw.data[r * dw.stride + j]), layer.grid.scale[g], sum[entry]);
  });
}

void NearestL2(const Nearest& args) {
  for (int64_t i = 0; i < args.count; ++i) {
    const float* x = args.points + i * args.dim;
    float least = std::numeric_limits<float>::infinity(), norm = 0.0f;
    int32_t index = 0;
    for (int64_t k = 0; k < args.centre_count; ++k) {
      float sum = args.half_norms[k];
      for (int64_t d = 0; d < args.dim; ++d) {
        sum = std::fma(-x[d], args.centres[d * args.stride + k], sum);
      }
      if (sum < least) {
        least = sum;
        index = static_cast<int32_t>(k);
      }
    }
    for (int64_t d = 0; d < args.dim; ++d) norm = std::fma(x[d], x[d], norm);
    args.index[i] = index;
    args.distance[i] = std::max(0.0f, 2.0f * least + norm);
  }
}

void NearestLinf(const Nearest& args) {
  for (int64_t i = 0; i < args.count; ++i) {
    const float* x = args.points + i * args.dim;
    float least = std::numeric_limits<float>::infinity();
    int32_t index = 0;
    for (int64_t k = 0; k < args.centre_count; ++k) {
      float most = 0.0f;
      for (int64_t d = 0; d < args.dim; ++d) {
        most = std::max(most, std::fabs(x[d] - args.centres[d * args.stride + k]));
      }
      if (most < least) {
        least = most;
        index = static_cast<int32_t>(k);
      }
    }
    args.index[i] = index;
    args.distance[i] = least;
  }
}

template DequantizeCodebookFn<float> DequantizeCodebook<float>;
template DequantizeCodebookFn<uint16_t> DequantizeCodebook<uint16_t>;
template CodebookGradientFn<float> CodebookGradient<float>;
template CodebookGradientFn<uint16_t> CodebookGradient<uint16_t>;

}  // namespace rondo::kernels::reference
