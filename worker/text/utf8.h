// UTF-8 by Unicode's definition: no surrogates, no overlong forms, nothing above U+10FFFF.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace rondo {

// INVALID_ARGUMENT with the offset of the first byte that is no UTF-8.
absl::Status CheckUtf8(std::string_view text);

// Bytes of the character that starts with `lead`, in valid UTF-8.
inline size_t Utf8Length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

void AppendUtf8(std::string* out, uint32_t code_point);

// Any bytes as UTF-8; each maximal part of a broken sequence becomes one U+FFFD (the practice that
// Unicode recommends, section 3.9, and Rust's from_utf8_lossy).
std::string ToUtf8Lossy(std::string_view bytes);

// Normalization form C of valid UTF-8.
absl::StatusOr<std::string> NormalizeNfc(std::string_view text);

}  // namespace rondo
