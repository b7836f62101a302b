#include <span>

#include "common/format/safetensors_header.h"
#include "tests/fuzz/target.h"

// What is accepted must lie inside the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const auto tensors = rondo::ReadSafetensorsHeader(file, "F");
  if (tensors.ok()) {
    for (const rondo::StoredTensor& tensor : *tensors) {
      const auto bytes = static_cast<uint64_t>(tensor.info.bytes());
      rondo::Require(tensor.offset >= 0 && static_cast<uint64_t>(tensor.offset) + bytes <= size,
                     "a tensor lies inside the file");
    }
  }
  (void)rondo::ReadSafetensorsMetadata(file, "F").ok();
  return 0;
}
