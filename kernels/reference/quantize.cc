#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/float_ops.h"
#include "kernels/reference/power.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {
namespace {

struct Range {
  float low;
  float high;
};

struct Grid {
  float scale;
  float zero_point;
};

float Code(float w, Grid grid, int maxq) {
  const float code = std::rint(w / grid.scale) + grid.zero_point;
  return std::min(std::max(code, 0.0f), static_cast<float>(maxq));
}

Range RangeOf(const float* w, int64_t cols, const FitOptions& options) {
  Range range = {0.0f, 0.0f};
  for (int64_t j = 0; j < cols; ++j) {
    range.low = std::min(range.low, w[j]);
    range.high = std::max(range.high, w[j]);
  }
  if (options.symmetric) {
    range.high = std::max(-range.low, range.high);
    range.low = -range.high;
  }
  const bool empty = (range.high - range.low) / static_cast<float>(options.maxq) < kLeastScale;
  return empty ? Range{-1.0f, 1.0f} : range;
}

// A balanced range has its zero point on a tie, which goes up. + 0.0f turns a negative zero into a
// positive one.
Grid GridOf(Range range, int maxq) {
  const float scale = (range.high - range.low) / static_cast<float>(maxq);
  const int middle = (maxq + 1) / 2;
  const float zero_point =
      range.low == -range.high ? static_cast<float>(middle) : std::rint(-range.low / scale) + 0.0f;
  return {scale, zero_point};
}

float ErrorOf(const float* w, int64_t cols, Grid grid, int maxq) {
  float sums[kErrorSums] = {};
  for (int64_t j = 0; j < cols; ++j) {
    const float q = grid.scale * (Code(w[j], grid, maxq) - grid.zero_point);
    sums[j % kErrorSums] += Power24<FloatOps>(std::fabs(q - w[j]));
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}

Grid FitGroup(const float* w, int64_t cols, const FitOptions& options) {
  const Range range = RangeOf(w, cols, options);
  if (!options.mse) return GridOf(range, options.maxq);
  Grid best = {};
  float least = std::numeric_limits<float>::infinity();
  for (int i = 0; i < kShrinkSteps; ++i) {
    const float p = static_cast<float>(100 - i) / 100.0f;
    const Grid grid = GridOf({p * range.low, p * range.high}, options.maxq);
    const float error = ErrorOf(w, cols, grid, options.maxq);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

}  // namespace

void FitGrid(Matrix<const float> w, const FitOptions& options, float* scale, float* zero_point) {
  const int64_t groups = (w.cols + options.group_size - 1) / options.group_size;
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * options.group_size;
      const int64_t cols = std::min(options.group_size, w.cols - begin);
      const Grid grid = FitGroup(w.data + r * w.stride + begin, cols, options);
      scale[r * groups + g] = grid.scale;
      zero_point[r * groups + g] = grid.zero_point;
    }
  }
}

void Quantize(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes) {
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t j = 0; j < w.cols; ++j) {
      const int64_t g = r * grid.groups + j / grid.group_size;
      codes.data[r * codes.stride + j] = static_cast<uint8_t>(
          Code(w.data[r * w.stride + j], {grid.scale[g], grid.zero_point[g]}, grid.maxq));
    }
  }
}

void Dequantize(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out) {
  for (int64_t r = 0; r < codes.rows; ++r) {
    for (int64_t j = 0; j < codes.cols; ++j) {
      const int64_t g = r * grid.groups + j / grid.group_size;
      const float code = static_cast<float>(codes.data[r * codes.stride + j]);
      out.data[r * out.stride + j] = grid.scale[g] * (code - grid.zero_point[g]);
    }
  }
}

}  // namespace rondo::kernels::reference
