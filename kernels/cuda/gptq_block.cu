#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/launch.h"

namespace rondo::kernels::cuda {
namespace {

constexpr unsigned kAllLanes = 0xffffffff;
constexpr int kWarp = 32;

// A warp a row. Lane l holds columns l, l + 32, ... in registers; every lane rounds every column,
// so that only t_j and w_j travel, then updates its own columns after j.
template <int kPerLane>
__global__ void GptqBlockKernel(GptqBlock b) {
  const int64_t row = ThreadIndex() / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  if (row >= b.target.rows) return;
  const int cols = static_cast<int>(b.target.cols);
  float t[kPerLane], w[kPerLane], error[kPerLane], code[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int k = lane + kWarp * i;
    t[i] = k < cols ? b.target.data[row * b.target.stride + k] : 0.0f;
    w[i] = k < cols ? b.weight.data[row * b.weight.stride + k] : 0.0f;
  }
  double sum = 0.0;
#pragma unroll
  for (int slot = 0; slot < kPerLane; ++slot) {
    for (int l = 0; l < kWarp && slot * kWarp + l < cols; ++l) {
      const int j = slot * kWarp + l;
      const int64_t group = row * b.groups + b.group_of_column[j];
      const float scale = b.scale[group], zero_point = b.zero_point[group];
      const float tj = __shfl_sync(kAllLanes, t[slot], l);
      const float cj = Code(tj, scale, zero_point, b.maxq);
      const float q = scale * (cj - zero_point);
      const float ej = __shfl_sync(kAllLanes, w[slot], l) - q;
      const double step = tj - q;
      sum += static_cast<double>(b.pivots[j]) * (step * step);
      if (lane == l) {
        code[slot] = cj;
        error[slot] = ej;
      }
      const float* feedback = b.feedback.data + j * b.feedback.stride;
#pragma unroll
      for (int i = slot; i < kPerLane; ++i) {
        const int k = lane + kWarp * i;
        if (k > j && k < cols) t[i] = fmaf(ej, feedback[k], t[i]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int k = lane + kWarp * i;
    if (k >= cols) continue;
    b.codes.data[row * b.codes.stride + k] = static_cast<uint8_t>(code[i]);
    b.error.data[row * b.error.stride + k] = error[i];
  }
  if (lane == 0) b.loss[row] += sum;
}

}  // namespace

absl::Status RunGptqBlock(const GptqBlock& block, void* stream) {
  if (block.target.rows == 0 || block.target.cols == 0) return absl::OkStatus();
  const unsigned blocks = BlocksFor(block.target.rows * kWarp);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  if (block.target.cols <= kWarp) {
    GptqBlockKernel<1><<<blocks, kThreads, 0, cuda_stream>>>(block);
  } else if (block.target.cols <= 4 * kWarp) {
    GptqBlockKernel<4><<<blocks, kThreads, 0, cuda_stream>>>(block);
  } else {
    GptqBlockKernel<kMaxGptqBlock / kWarp><<<blocks, kThreads, 0, cuda_stream>>>(block);
  }
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

}  // namespace rondo::kernels::cuda
