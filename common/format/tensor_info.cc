#include "common/format/tensor_info.h"

namespace rondo {

int64_t BytesOf(StorageType type) {
  switch (type) {
    case StorageType::kBool:
    case StorageType::kU8:
    case StorageType::kI8: return 1;
    case StorageType::kI16:
    case StorageType::kF16:
    case StorageType::kBF16: return 2;
    case StorageType::kI32:
    case StorageType::kF32: return 4;
    case StorageType::kI64:
    case StorageType::kF64: return 8;
  }
  return 0;
}

std::string StorageTypeName(StorageType type) {
  switch (type) {
    case StorageType::kBool: return "BOOL";
    case StorageType::kU8: return "U8";
    case StorageType::kI8: return "I8";
    case StorageType::kI16: return "I16";
    case StorageType::kI32: return "I32";
    case StorageType::kI64: return "I64";
    case StorageType::kF16: return "F16";
    case StorageType::kBF16: return "BF16";
    case StorageType::kF32: return "F32";
    case StorageType::kF64: return "F64";
  }
  return "";
}

int64_t TensorInfo::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

}  // namespace rondo
