#include "kernels/reference/rounding_step.h"

#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_ops.h"
#include "kernels/cuda/launch.h"

namespace rondo::kernels::cuda {
namespace {

// kErrorSums threads a chunk.
__global__ void RoundingGradientKernel(RoundingGradient args) {
  const int64_t chunk = ThreadIndex() / kErrorSums;
  const int64_t begin = chunk * kRoundingChunk;
  const int64_t end = min(begin + kRoundingChunk, args.count);
  float sum = 0.0f;
  for (int64_t i = begin + threadIdx.x % kErrorSums; i < end; i += kErrorSums) {
    float value;
    args.gradient[i] =
        GradientOfAlpha<DeviceOps>(args.alpha[i], args.uses[i], args.sum[i], args, &value);
    sum += value;
  }
  for (int width = kErrorSums / 2; width > 0; width /= 2) {
    sum += __shfl_down_sync(0xffffffff, sum, width, kErrorSums);
  }
  if (threadIdx.x % kErrorSums == 0 && begin < args.count) args.regulariser[chunk] = sum;
}

__global__ void AdamKernel(Adam args) {
  const int64_t i = ThreadIndex();
  if (i >= args.count) return;
  args.value[i] =
      AdamValue<DeviceOps>(args.value[i], args.gradient[i], args, args.mean + i, args.variance + i);
}

}  // namespace

absl::Status FindRoundingGradient(const RoundingGradient& args, void* stream) {
  if (args.count == 0) return absl::OkStatus();
  const int64_t chunks = (args.count + kRoundingChunk - 1) / kRoundingChunk;
  RoundingGradientKernel<<<BlocksFor(chunks * kErrorSums), kThreads, 0,
                           static_cast<cudaStream_t>(stream)>>>(args);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

absl::Status RunAdam(const Adam& args, void* stream) {
  if (args.count == 0) return absl::OkStatus();
  AdamKernel<<<BlocksFor(args.count), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

}  // namespace rondo::kernels::cuda
