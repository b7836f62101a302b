// Tensors in safetensors files: element types, bytes and views. Private to worker/train. Pure
// functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/format/checkpoint.h"
#include "common/format/tensor_info.h"

namespace rondo {

// INVALID_ARGUMENT names a tensor that is undefined or of a dtype that safetensors has no name for.
absl::StatusOr<TensorInfo> InfoOf(const std::string& name, const at::Tensor& tensor);

// REQUIRES: contiguous, on the CPU.
std::span<const std::byte> BytesOf(const at::Tensor& tensor);

// A view of mapped data: not to be written to, valid as long as the mapping.
at::Tensor TensorOf(const TensorView& view);

}  // namespace rondo
