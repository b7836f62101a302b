// The header of a safetensors file, read strictly: what it accepts is a file in which every byte of
// data belongs to exactly one tensor. Private to common/format; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/format/tensor_info.h"

namespace rondo {

// `file`: the whole file; `path`: for messages. In order of offset. INVALID_ARGUMENT otherwise.
absl::StatusOr<std::vector<StoredTensor>> ReadSafetensorsHeader(std::span<const std::byte> file,
                                                                const std::string& path);

// The texts of "__metadata__". INVALID_ARGUMENT when the header is no JSON object, or its metadata
// are not texts.
absl::StatusOr<std::map<std::string, std::string>> ReadSafetensorsMetadata(
    std::span<const std::byte> file, const std::string& path);

}  // namespace rondo
