#include "worker/text/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace rondo {
namespace {

const utf8proc_uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

// Bytes of the valid character at the start of `text`; 0 when there is none.
size_t ValidPrefix(std::string_view text) {
  utf8proc_int32_t code_point = 0;
  const utf8proc_ssize_t used =
      utf8proc_iterate(Bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  return used > 0 ? static_cast<size_t>(used) : 0;
}

// Bytes of the longest prefix of `text` that starts some valid character (at least 1).
size_t BrokenPrefix(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0xC2 || lead > 0xF4) return 1;
  // Table 3-7 of the Unicode standard: only the second byte has a narrower range.
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const size_t end = std::min(text.size(), Utf8Length(text[0]));
  size_t i = 1;
  for (; i < end; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const bool fits = i == 1 ? byte >= low && byte <= high : byte >= 0x80 && byte <= 0xBF;
    if (!fits) break;
  }
  return i;
}

}  // namespace

absl::Status CheckUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const size_t used = ValidPrefix(text.substr(i));
    if (used == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "not UTF-8: byte 0x", absl::Hex(static_cast<uint8_t>(text[i]), absl::kZeroPad2),
          " at offset ", i));
    }
    i += used;
  }
  return absl::OkStatus();
}

void AppendUtf8(std::string* out, uint32_t code_point) {
  utf8proc_uint8_t buffer[4];
  const utf8proc_ssize_t used =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), buffer);
  out->append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(used));
}

std::string ToUtf8Lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    if (const size_t used = ValidPrefix(bytes.substr(i)); used > 0) {
      out.append(bytes.substr(i, used));
      i += used;
    } else {
      out.append("\xEF\xBF\xBD");
      i += BrokenPrefix(bytes.substr(i));
    }
  }
  return out;
}

absl::StatusOr<std::string> NormalizeNfc(std::string_view text) {
  const auto ascii = [](char c) { return static_cast<uint8_t>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), ascii)) return std::string(text);
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(Bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("NFC normalization failed: ", utf8proc_errmsg(size)));
  }
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(size));
}

}  // namespace rondo
