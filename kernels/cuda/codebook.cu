#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_ops.h"
#include "kernels/cuda/launch.h"

namespace rondo::kernels::cuda {
namespace {

struct Weight {
  float position;  // base + r
  float scale, zero_point;
};

__device__ __forceinline__ Weight WeightAt(const CodebookView& layer, int64_t r, int64_t j,
                                           float rounding) {
  const int whole =
      static_cast<int>(layer.base.data[r * layer.base.stride + j]) - layer.base_offset;
  const int64_t g = r * layer.grid.groups + j / layer.grid.group_size;
  return {static_cast<float>(whole) + rounding, layer.grid.scale[g], layer.grid.zero_point[g]};
}

// A thread a weight.
template <typename T>
__global__ void DequantizeKernel(CodebookView layer, Matrix<T> out) {
  const int64_t i = ThreadIndex();
  if (i >= layer.base.rows * layer.base.cols) return;
  const int64_t r = i / layer.base.cols, j = i % layer.base.cols;
  const int64_t entry = layer.codes[i / layer.dim] * layer.dim + i % layer.dim;
  const Weight w = WeightAt(layer, r, j, layer.rounding[entry]);
  const float code = fminf(fmaxf(w.position, 0.0f), static_cast<float>(layer.grid.maxq));
  Narrow(w.scale * (code - w.zero_point), out.data + r * out.stride + j);
}

// A thread an entry of the codebook; the threads of a row of it read the same blocks.
template <typename T>
__global__ void GradientKernel(CodebookView layer, BlocksByCode blocks, Matrix<const T> dw,
                               float* sum) {
  const int64_t entry = ThreadIndex();
  if (entry >= blocks.codes * layer.dim) return;
  const int64_t code = entry / layer.dim, d = entry % layer.dim;
  const float rounding = layer.rounding[entry], maxq = static_cast<float>(layer.grid.maxq);
  float total = sum[entry];
#pragma unroll 4
  for (int32_t n = blocks.begin[code]; n < blocks.begin[code + 1]; ++n) {
    const int64_t i = blocks.block[n] * layer.dim + d;
    const int64_t r = i / layer.base.cols, j = i % layer.base.cols;
    const Weight w = WeightAt(layer, r, j, rounding);
    const float gradient = Widen(dw.data[r * dw.stride + j]);
    if (w.position >= 0.0f && w.position <= maxq) total = fmaf(gradient, w.scale, total);
  }
  sum[entry] = total;
}

}  // namespace

template <typename T>
absl::Status DequantizeCodebook(const CodebookView& layer, Matrix<T> out, void* stream) {
  const int64_t threads = layer.base.rows * layer.base.cols;
  if (threads == 0) return absl::OkStatus();
  DequantizeKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(layer,
                                                                                           out);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

template <typename T>
absl::Status CodebookGradient(const CodebookView& layer, const BlocksByCode& blocks,
                              Matrix<const T> dw, float* sum, void* stream) {
  const int64_t threads = blocks.codes * layer.dim;
  if (threads == 0) return absl::OkStatus();
  GradientKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      layer, blocks, dw, sum);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

template absl::Status DequantizeCodebook(const CodebookView&, Matrix<float>, void*);
template absl::Status DequantizeCodebook(const CodebookView&, Matrix<uint16_t>, void*);
template absl::Status CodebookGradient(const CodebookView&, const BlocksByCode&,
                                       Matrix<const float>, float*, void*);
template absl::Status CodebookGradient(const CodebookView&, const BlocksByCode&,
                                       Matrix<const uint16_t>, float*, void*);

}  // namespace rondo::kernels::cuda
