// Changes messages so that they stay messages: bytes changed at random rarely are one, and hardly
// ever hold another number. Only where libFuzzer is linked, whose own changes it makes use of.
#pragma once

#include <random>
#include <string>
#include <string_view>

#include "tests/fuzz/kinds.h"

namespace rondo {

// `bytes`, a message of the type of `as`, with one field somewhere in it changed, set or cleared.
// With null, or sometimes, changed as bytes.
std::string Mutated(std::string_view bytes, std::unique_ptr<Message> as, std::minstd_rand* random);

// Writes it where libFuzzer wants it; cut to `max_size`.
size_t Place(const std::string& bytes, uint8_t* data, size_t max_size);

}  // namespace rondo
