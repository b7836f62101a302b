#include "worker/text/byte_level.h"

#include <array>
#include <cstdint>
#include <map>

#include "worker/text/utf8.h"

namespace rondo {
namespace {

struct Alphabet {
  std::array<std::string, 256> visible;
  std::map<std::string, char, std::less<>> bytes;
};

Alphabet MakeAlphabet() {
  Alphabet alphabet;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    AppendUtf8(&alphabet.visible[byte], printable ? byte : next++);
    alphabet.bytes[alphabet.visible[byte]] = static_cast<char>(byte);
  }
  return alphabet;
}

const Alphabet& GetAlphabet() {
  static const Alphabet alphabet = MakeAlphabet();
  return alphabet;
}

}  // namespace

std::string BytesToVisible(std::string_view bytes) {
  const Alphabet& alphabet = GetAlphabet();
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (const char byte : bytes) out += alphabet.visible[static_cast<uint8_t>(byte)];
  return out;
}

std::string VisibleToBytes(std::string_view token) {
  const Alphabet& alphabet = GetAlphabet();
  std::string out;
  for (size_t i = 0; i < token.size();) {
    const size_t length = Utf8Length(token[i]);
    const auto it = alphabet.bytes.find(token.substr(i, length));
    if (it == alphabet.bytes.end()) return std::string(token);
    out.push_back(it->second);
    i += length;
  }
  return out;
}

}  // namespace rondo
