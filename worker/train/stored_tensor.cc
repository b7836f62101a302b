#include "worker/train/stored_tensor.h"

#include <utility>

#include <ATen/ops/from_blob.h>

namespace rondo {
namespace {

constexpr std::pair<StorageType, at::ScalarType> kTypes[] = {
    {StorageType::kBool, at::kBool}, {StorageType::kU8, at::kByte},
    {StorageType::kI8, at::kChar},   {StorageType::kI16, at::kShort},
    {StorageType::kI32, at::kInt},   {StorageType::kI64, at::kLong},
    {StorageType::kF16, at::kHalf},  {StorageType::kBF16, at::kBFloat16},
    {StorageType::kF32, at::kFloat}, {StorageType::kF64, at::kDouble}};

}  // namespace

absl::StatusOr<TensorInfo> InfoOf(const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is undefined"));
  }
  for (const auto& [stored, type] : kTypes) {
    if (type == tensor.scalar_type()) return TensorInfo{name, stored, tensor.sizes().vec()};
  }
  return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has dtype ",
                                                 at::toString(tensor.scalar_type()),
                                                 ", which cannot be stored"));
}

std::span<const std::byte> BytesOf(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

at::Tensor TensorOf(const TensorView& view) {
  at::ScalarType type = at::kByte;
  for (const auto& [stored, scalar] : kTypes) {
    if (stored == view.info.type) type = scalar;
  }
  return at::from_blob(const_cast<std::byte*>(view.data.data()), view.info.shape,
                       at::TensorOptions(type));
}

}  // namespace rondo
