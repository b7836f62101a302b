// What the .cu files share: sizes of a launch and the rounding of one weight.
#pragma once

#include <cstdint>

namespace rondo::kernels::cuda {

constexpr int kThreads = 256;  // of a block

constexpr unsigned BlocksFor(int64_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

#ifdef __CUDACC__
__device__ __forceinline__ int64_t ThreadIndex() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

__device__ __forceinline__ float Code(float w, float scale, float zero_point, int maxq) {
  return fminf(fmaxf(rintf(w / scale) + zero_point, 0.0f), static_cast<float>(maxq));
}
#endif

}  // namespace rondo::kernels::cuda
