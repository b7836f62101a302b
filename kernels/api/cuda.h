// The same operations on device memory, row by row as on the host and with the same results.
// Pointers are device pointers; calls are asynchronous on `stream` (a cudaStream_t), allocate
// nothing and never synchronise. Absent in a build without nvcc: kernels/no_cuda answers
// UNIMPLEMENTED, and CudaKernelsBuilt() is false.
#pragma once

#include "common/base/status.h"
#include "kernels/api/gptq_block.h"
#include "kernels/api/pack.h"
#include "kernels/api/quantize.h"

namespace rondo::kernels::cuda {

bool CudaKernelsBuilt();

absl::Status FitGrid(Matrix<const float> w, const FitOptions& options, float* scale,
                     float* zero_point, void* stream);
absl::Status Quantize(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes,
                      void* stream);
absl::Status Dequantize(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out,
                        void* stream);
absl::Status RunGptqBlock(const GptqBlock& block, void* stream);
absl::Status PackRows(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words, void* stream);

}  // namespace rondo::kernels::cuda
