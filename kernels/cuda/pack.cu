#include "kernels/api/cuda.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/launch.h"

namespace rondo::kernels::cuda {
namespace {

// A thread a word: it takes every code that has a bit in it.
__global__ void PackKernel(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words,
                           int64_t words_per_row) {
  const int64_t i = ThreadIndex();
  if (i >= codes.rows * words_per_row) return;
  const int64_t r = i / words_per_row, first_bit = i % words_per_row * 32;
  const uint8_t* row = codes.data + r * codes.stride;
  uint32_t word = 0;
  for (int64_t k = first_bit / bits; k < codes.cols && k * bits < first_bit + 32; ++k) {
    const int shift = static_cast<int>(k * bits - first_bit);
    const uint32_t code = row[k];
    word |= shift >= 0 ? code << shift : code >> -shift;
  }
  words.data[r * words.stride + first_bit / 32] = word;
}

}  // namespace

absl::Status PackRows(Matrix<const uint8_t> codes, int bits, Matrix<uint32_t> words, void* stream) {
  const int64_t words_per_row = PackedWords(codes.cols, bits);
  const int64_t threads = codes.rows * words_per_row;
  if (threads == 0) return absl::OkStatus();
  PackKernel<<<BlocksFor(threads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      codes, bits, words, words_per_row);
  RETURN_IF_CUDA_ERROR(cudaGetLastError());
  return absl::OkStatus();
}

}  // namespace rondo::kernels::cuda
