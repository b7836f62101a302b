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

template <typename T>
absl::Status DequantizeCodebook(const CodebookView& layer, Matrix<T> out, void* stream) {
  return NotBuilt();
}

template <typename T>
absl::Status CodebookGradient(const CodebookView& layer, const BlocksByCode& blocks,
                              Matrix<const T> dw, float* sum, void* stream) {
  return NotBuilt();
}

absl::Status NearestL2(const Nearest& args, void* stream) { return NotBuilt(); }

absl::Status NearestLinf(const Nearest& args, void* stream) { return NotBuilt(); }

template <typename T>
absl::Status Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss,
                     void* stream) {
  return NotBuilt();
}

absl::Status FindRoundingGradient(const RoundingGradient& args, void* stream) { return NotBuilt(); }

absl::Status RunAdam(const Adam& args, void* stream) { return NotBuilt(); }

template absl::Status DequantizeCodebook(const CodebookView&, Matrix<float>, void*);
template absl::Status DequantizeCodebook(const CodebookView&, Matrix<uint16_t>, void*);
template absl::Status CodebookGradient(const CodebookView&, const BlocksByCode&,
                                       Matrix<const float>, float*, void*);
template absl::Status CodebookGradient(const CodebookView&, const BlocksByCode&,
                                       Matrix<const uint16_t>, float*, void*);
template absl::Status Distill(Matrix<const float>, Matrix<float>, float, double*, void*);
template absl::Status Distill(Matrix<const uint16_t>, Matrix<uint16_t>, float, double*, void*);

}  // namespace rondo::kernels::cuda
