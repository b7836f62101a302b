// The input of coordinator_fuzz.cc: calls, each one byte that chooses (CallKind), two of length
// (little-endian) and a message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rondo {

struct Call {
  uint8_t kind = 0;
  std::string message;
};

// At most so many; what is left is no call.
inline std::vector<Call> ReadCalls(std::string_view bytes) {
  constexpr size_t kMost = 32;
  std::vector<Call> calls;
  while (calls.size() < kMost && bytes.size() >= 3) {
    const size_t length = static_cast<uint8_t>(bytes[1]) | static_cast<uint8_t>(bytes[2]) << 8;
    calls.push_back({static_cast<uint8_t>(bytes[0]), std::string(bytes.substr(3, length))});
    bytes.remove_prefix(3 + calls.back().message.size());
  }
  return calls;
}

inline std::string WriteCalls(const std::vector<Call>& calls) {
  std::string bytes;
  for (const Call& call : calls) {
    bytes += static_cast<char>(call.kind);
    bytes += static_cast<char>(call.message.size() & 0xff);
    bytes += static_cast<char>(call.message.size() >> 8 & 0xff);
    bytes += call.message;
  }
  return bytes;
}

}  // namespace rondo
