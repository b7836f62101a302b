#include "worker/artifact/linear_format.h"

#include <ATen/ATen.h>

namespace rondo {

std::unique_ptr<LinearFormat> MakeLinearFormat(ExportFormat format, const GridSpec& grid,
                                               StorageType type) {
  switch (format) {
    case ExportFormat::kDense: return MakeDenseLinear(type);
    case ExportFormat::kCompressedTensors: return MakePackedLinear(grid, type);
  }
  return nullptr;
}

at::ScalarType ScalarTypeOf(StorageType type) {
  if (type == StorageType::kF16) return at::kHalf;
  if (type == StorageType::kBF16) return at::kBFloat16;
  return at::kFloat;
}

absl::Status WriteTensor(const std::string& name, const at::Tensor& tensor,
                         SafetensorsWriter* writer) {
  const at::Tensor host = tensor.to(at::kCPU).contiguous();
  return writer->Write(name, {static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()});
}

absl::StatusOr<at::Tensor> ReadTensor(const Checkpoint& file, const std::string& name,
                                      at::ScalarType dtype, at::IntArrayRef shape) {
  ASSIGN_OR_RETURN(const TensorView view, file.Find(name));
  const at::Tensor tensor =
      at::from_blob(const_cast<std::byte*>(view.data.data()), shape, at::dtype(dtype));
  if (tensor.nbytes() == view.data.size()) return tensor;
  return absl::InternalError(absl::StrCat("exported tensor ", name, " has ", view.data.size(),
                                          " bytes, not ", tensor.nbytes()));
}

}  // namespace rondo
