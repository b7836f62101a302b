// GPT-2's bijection between the 256 bytes and printable characters: printable Latin-1 bytes stand
// for themselves, the others for U+0100 and up, in order of the byte.
#pragma once

#include <string>
#include <string_view>

namespace rondo {

std::string BytesToVisible(std::string_view bytes);

// The bytes behind one token; a token that holds any other character is taken as it is.
std::string VisibleToBytes(std::string_view token);

}  // namespace rondo
