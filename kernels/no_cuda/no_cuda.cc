#include "kernels/api/cuda.h"

namespace rondo::kernels::cuda {
namespace {

absl::Status NotBuilt() {
  return absl::UnimplementedError(
      "this build has no CUDA kernels; configure it with RONDO_CUDA=ON");
}

}  // namespace

bool CudaKernelsBuilt() { return false; }

absl::Status FitGrid(Matrix<const float> w, const FitOptions& options, float* scale,
                     float* zero_point, void* stream) {
  return NotBuilt();
}

absl::Status Quantize(Matrix<const float> w, const GridView& grid, Matrix<uint8_t> codes,
                      void* stream) {
  return NotBuilt();
}

absl::Status Dequantize(Matrix<const uint8_t> codes, const GridView& grid, Matrix<float> out,
                        void* stream) {
  return NotBuilt();
}

absl::Status RunGptqBlock(const GptqBlock& block, void* stream) { return NotBuilt(); }

absl::Status PackRows(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words, void* stream) {
  return NotBuilt();
}

}  // namespace rondo::kernels::cuda
