#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_ops.h"
#include "kernels/cuda/launch.h"
#include "kernels/reference/power.h"

namespace rondo::kernels::cuda {
namespace {

constexpr unsigned kAllLanes = 0xffffffff;

// A group of columns belongs to kErrorSums threads: half a warp.
struct Group {
  const float* w;
  int64_t cols;
  int lane;
};

struct Grid {
  float scale, zero_point;
};

__device__ Grid GridOf(float low, float high, int maxq) {
  const float scale = (high - low) / static_cast<float>(maxq);
  const float zero_point =
      low == -high ? static_cast<float>((maxq + 1) / 2) : rintf(-low / scale) + 0.0f;
  return {scale, zero_point};
}

__device__ void FindRange(const Group& group, const FitOptions& options, float* low, float* high) {
  float least = 0.0f, most = 0.0f;
  for (int64_t j = group.lane; j < group.cols; j += kErrorSums) {
    least = fminf(least, group.w[j]);
    most = fmaxf(most, group.w[j]);
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    least = fminf(least, __shfl_xor_sync(kAllLanes, least, width, kErrorSums));
    most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, width, kErrorSums));
  }
  if (options.symmetric) {
    most = fmaxf(-least, most);
    least = -most;
  }
  const bool empty = (most - least) / static_cast<float>(options.maxq) < kLeastScale;
  *low = empty ? -1.0f : least;
  *high = empty ? 1.0f : most;
}

__device__ float ErrorOf(const Group& group, Grid grid, int maxq) {
  float sum = 0.0f;
  for (int64_t j = group.lane; j < group.cols; j += kErrorSums) {
    const float w = group.w[j];
    const float q = grid.scale * (Code(w, grid.scale, grid.zero_point, maxq) - grid.zero_point);
    sum += Power24<DeviceOps>(fabsf(q - w));
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    sum += __shfl_down_sync(kAllLanes, sum, width, kErrorSums);
  }
  return __shfl_sync(kAllLanes, sum, 0, kErrorSums);
}

__device__ Grid FitGroup(const Group& group, const FitOptions& options) {
  float low, high;
  FindRange(group, options, &low, &high);
  if (!options.mse) return GridOf(low, high, options.maxq);
  Grid best = {};
  float least = INFINITY;
  for (int i = 0; i < kShrinkSteps; ++i) {
    const float p = static_cast<float>(100 - i) / 100.0f;
    const Grid grid = GridOf(p * low, p * high, options.maxq);
    const float error = ErrorOf(group, grid, options.maxq);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

// Threads past the last group repeat it, so that whole warps meet in the shuffles.
__global__ void FitGridKernel(Matrix<const float> w, FitOptions options, int64_t groups,
                              float* scale, float* zero_point) {
  const int64_t item = ThreadIndex() / kErrorSums, items = w.rows * groups;
  const int64_t mine = item < items ? item : items - 1;
  const int64_t begin = mine % groups * options.group_size;
  const int64_t left = w.cols - begin;
  const Group group = {w.data + mine / groups * w.stride + begin,
                       left < options.group_size ? left : options.group_size,
                       static_cast<int>(threadIdx.x % kErrorSums)};
  const Grid grid = FitGroup(group, options);
  if (item >= items || group.lane != 0) return;
  scale[item] = grid.scale;
  zero_point[item] = grid.zero_point;
}

__global__ void QuantizeKernel(Matrix<const float> w, GridView grid, Matrix<uint8_t> codes) {
  const int64_t i = ThreadIndex();
  if (i >= w.rows * w.cols) return;
  const int64_t r = i / w.cols, j = i % w.cols;
  const int64_t g = r * grid.groups + j / grid.group_size;
  codes.data[r * codes.stride + j] = static_cast<uint8_t>(
      Code(w.data[r * w.stride + j], grid.scale[g], grid.zero_point[g], grid.maxq));
}

__global__ void DequantizeKernel(Matrix<const uint8_t> codes, GridView grid, Matrix<float> out) {
  const int64_t i = ThreadIndex();
  if (i >= codes.rows * codes.cols) return;
  const int64_t r = i / codes.cols, j = i % codes.cols;
  const int64_t g = r * grid.groups + j / grid.group_size;
  const float code = static_cast<float>(codes.data[r * codes.stride + j]);
  out.data[r * out.stride + j] = grid.scale[g] * (code - grid.zero_point[g]);
}

}  // namespace

bool CudaKernelsBuilt() { return true; }

absl::Status FitGrid(Matrix<const float> w, const FitOptions& options, float* scale,
                     float* zero_point, void* stream) {
  const int64_t groups = (w.cols + options.group_size - 1) / options.group_size;
  const int64_t threads = w.rows * groups * kErrorSums;
  if (threads == 0) return absl::OkStatus();
  FitGridKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      w, options, groups, scale, zero_point);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

absl::Status Quantize(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes,
                      void* stream) {
  const int64_t threads = w.rows * w.cols;
  if (threads == 0) return absl::OkStatus();
  QuantizeKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(w, grid,
                                                                                         codes);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

absl::Status Dequantize(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out,
                        void* stream) {
  const int64_t threads = codes.rows * codes.cols;
  if (threads == 0) return absl::OkStatus();
  DequantizeKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      codes, grid, out);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

}  // namespace rondo::kernels::cuda
