// How one quantized linear layer is stored: which tensors, and their bytes. One file a format
// (dense_linear.cc, packed_linear.cc). Immutable, so thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/format/checkpoint.h"
#include "common/format/safetensors_writer.h"
#include "common/format/tensor_info.h"
#include "worker/algo/grid.h"

namespace rondo {

class LinearFormat {
 public:
  virtual ~LinearFormat() = default;
  // `name`: of the layer in the checkpoint, without ".weight"; the weight is [out, in]. A bias is
  // not among them: it is copied.
  virtual std::vector<TensorInfo> Tensors(const std::string& name, int64_t out,
                                          int64_t in) const = 0;
  // Writes all of Tensors(name, ...). INTERNAL when the layer is not on the grid of the job.
  virtual absl::Status Write(const std::string& name, const QuantizedLinear& linear,
                             SafetensorsWriter* writer) const = 0;
  // Whether `file` holds this layer, read as a loader reads it.
  virtual absl::StatusOr<bool> Holds(const Checkpoint& file, const std::string& name,
                                     const QuantizedLinear& linear) const = 0;
};

// `type`: of the checkpoint's linear weights.
std::unique_ptr<LinearFormat> MakeLinearFormat(ExportFormat format, const GridSpec& grid,
                                               StorageType type);

// The formats behind MakeLinearFormat.
std::unique_ptr<LinearFormat> MakeDenseLinear(StorageType type);
std::unique_ptr<LinearFormat> MakePackedLinear(const GridSpec& grid, StorageType type);

// REQUIRES: kF16, kBF16 or kF32.
at::ScalarType ScalarTypeOf(StorageType type);

// Writes the tensor's elements; copies it to host memory when it is elsewhere.
absl::Status WriteTensor(const std::string& name, const at::Tensor& tensor,
                         SafetensorsWriter* writer);

// A view of the file's data, not to be written to. NOT_FOUND names the tensor; INTERNAL when its
// size is not that of `dtype` and `shape`.
absl::StatusOr<at::Tensor> ReadTensor(const Checkpoint& file, const std::string& name,
                                      at::ScalarType dtype, at::IntArrayRef shape);

}  // namespace rondo
