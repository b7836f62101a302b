// Element types and descriptions of stored tensors. Pure values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/domain/job_spec.h"

namespace rondo {

enum class StorageType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };

int64_t BytesOf(StorageType type);
std::string StorageTypeName(StorageType type);  // as safetensors spells it: "F16", "BF16", ...

struct TensorInfo {
  std::string name;
  StorageType type = StorageType::kF32;
  std::vector<int64_t> shape;

  int64_t elements() const;
  int64_t bytes() const { return elements() * BytesOf(type); }
};

// A tensor that lies in a file row by row, without gaps.
struct StoredTensor {
  TensorInfo info;
  int64_t offset = 0;  // of the data, from the start of the file
};

}  // namespace rondo
