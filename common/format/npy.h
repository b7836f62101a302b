// Token ids in NumPy's .npy format, version 1 to 3
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): little-endian int32,
// int64, uint16 or uint32, C order, any rank. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

struct TokenArray {
  std::vector<int64_t> shape;
  std::vector<int32_t> ids;  // row-major
};

// INVALID_ARGUMENT for anything else, a truncated file or ids that do not fit int32.
absl::StatusOr<TokenArray> ReadTokensNpy(const std::string& path);
// Elements by the header alone.
absl::StatusOr<int64_t> CountTokensNpy(const std::string& path);

}  // namespace rondo
