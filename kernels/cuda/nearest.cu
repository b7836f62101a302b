#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/launch.h"

namespace rondo::kernels::cuda {
namespace {

struct L2 {
  static __device__ float Start(const Nearest& args, int64_t k) { return args.half_norms[k]; }
  static __device__ float Step(float x, float c, float sum) { return fmaf(-x, c, sum); }
  static __device__ float Distance(float least, float norm) {
    return fmaxf(0.0f, 2.0f * least + norm);
  }
};

struct Linf {
  static __device__ float Start(const Nearest&, int64_t) { return 0.0f; }
  static __device__ float Step(float x, float c, float most) { return fmaxf(most, fabsf(x - c)); }
  static __device__ float Distance(float least, float) { return least; }
};

constexpr int kTile = 128;  // centres in shared memory at a time

// A thread a point; threads past the last repeat it. Coordinates past dim are zeros, which change
// neither a dot product nor a largest element.
template <typename Metric, int kDim>
__global__ void NearestKernel(Nearest args) {
  __shared__ float tile[kTile][kDim];
  __shared__ float starts[kTile];
  const int64_t item = ThreadIndex(), point = item < args.count ? item : args.count - 1;
  float x[kDim], norm = 0.0f;
#pragma unroll
  for (int d = 0; d < kDim; ++d) {
    x[d] = d < args.dim ? args.points[point * args.dim + d] : 0.0f;
    norm = fmaf(x[d], x[d], norm);
  }
  float least = INFINITY;
  int32_t index = 0;
  for (int64_t first = 0; first < args.centre_count; first += kTile) {
    const int64_t left = args.centre_count - first;
    const int count = static_cast<int>(left < kTile ? left : kTile);
    __syncthreads();
    for (int i = threadIdx.x; i < kTile * kDim; i += kThreads) {
      const int k = i % kTile, d = i / kTile;
      const bool real = k < count && d < args.dim;
      tile[k][d] = real ? args.centres[d * args.stride + first + k] : 0.0f;
    }
    for (int k = threadIdx.x; k < count; k += kThreads) starts[k] = Metric::Start(args, first + k);
    __syncthreads();
    for (int k = 0; k < count; ++k) {
      float value = starts[k];
#pragma unroll
      for (int d = 0; d < kDim; ++d) value = Metric::Step(x[d], tile[k][d], value);
      if (value < least) {
        least = value;
        index = static_cast<int32_t>(first + k);
      }
    }
  }
  if (item >= args.count) return;
  args.index[item] = index;
  args.distance[item] = Metric::Distance(least, norm);
}

template <typename Metric>
absl::Status NearestBy(const Nearest& args, void* stream) {
  if (args.count == 0) return absl::OkStatus();
  const unsigned blocks = BlocksFor(args.count);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  if (args.dim <= 8) {
    NearestKernel<Metric, 8><<<blocks, kThreads, 0, cuda_stream>>>(args);
  } else {
    NearestKernel<Metric, kMaxCodebookDim><<<blocks, kThreads, 0, cuda_stream>>>(args);
  }
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

}  // namespace

absl::Status NearestL2(const Nearest& args, void* stream) { return NearestBy<L2>(args, stream); }

absl::Status NearestLinf(const Nearest& args, void* stream) {
  return NearestBy<Linf>(args, stream);
}

}  // namespace rondo::kernels::cuda
