// The same operations on device memory, row by row as on the host and with the same results.
// Pointers are device pointers; calls are asynchronous on `stream` (a cudaStream_t), allocate
// nothing and never synchronise. Absent in a build without nvcc: kernels/no_cuda answers
// UNIMPLEMENTED, and CudaKernelsBuilt() is false.
#pragma once

#include "common/base/status.h"
#include "kernels/api/codebook.h"
#include "kernels/api/distill.h"
#include "kernels/api/gptq_block.h"
#include "kernels/api/pack.h"
#include "kernels/api/quantize.h"
#include "kernels/api/rounding_step.h"

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

// T: float or uint16_t (bfloat16).
template <typename T>
absl::Status DequantizeCodebook(const CodebookView& layer, Matrix<T> out, void* stream);

// The blocks of a layer by code: those of code k are block[begin[k]] .. block[begin[k + 1] - 1],
// ascending. With it each sum of the gradient belongs to one thread, which adds in row-major order:
// no atomics, and the bits of the host's whole layer in one call.
struct BlocksByCode {
  const int32_t* block = nullptr;  // [rows * cols / dim]
  const int32_t* begin = nullptr;  // [codes + 1]
  int64_t codes = 0;               // K
};
template <typename T>
absl::Status CodebookGradient(const CodebookView& layer, const BlocksByCode& blocks,
                              Matrix<const T> dw, float* sum, void* stream);

absl::Status NearestL2(const Nearest& args, void* stream);
absl::Status NearestLinf(const Nearest& args, void* stream);

template <typename T>
absl::Status Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss,
                     void* stream);

absl::Status FindRoundingGradient(const RoundingGradient& args, void* stream);
absl::Status RunAdam(const Adam& args, void* stream);

}  // namespace rondo::kernels::cuda
