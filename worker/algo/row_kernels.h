// kernels/api on tensors: rows split over torch's threads on the CPU, the current stream on CUDA.
// Rows are independent, so the split does not change a result. Tensors are 2-D with unit column
// stride; those handed in live on one device. Throws as torch does.
#pragma once

#include <type_traits>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "kernels/api/gptq_block.h"
#include "kernels/api/quantize.h"

namespace rondo {

template <typename T>
kernels::Matrix<T> AsMatrix(const at::Tensor& t) {
  if constexpr (std::is_const_v<T>) {
    return {t.const_data_ptr<std::remove_const_t<T>>(), t.size(0), t.size(1), t.stride(0)};
  } else {
    return {t.mutable_data_ptr<T>(), t.size(0), t.size(1), t.stride(0)};
  }
}

// torch's current stream of a CUDA device, as kernels/api/cuda.h takes it.
void* CurrentStream(at::Device device);

// scale, zero_point: [rows, groups], contiguous.
absl::Status FitRows(const at::Tensor& w, const kernels::FitOptions& options, at::Tensor& scale,
                     at::Tensor& zero_point);
absl::Status QuantizeRows(const at::Tensor& w, const kernels::GridView& grid, at::Tensor& codes);
absl::Status DequantizeRows(const at::Tensor& codes, const kernels::GridView& grid,
                            at::Tensor& out);
absl::Status RunBlock(const kernels::GptqBlock& block, at::Device device);

}  // namespace rondo
