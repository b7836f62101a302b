// The "decoder" of tokenizer.json: tokens back to text. Immutable, so thread-safe.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  // Rewrites the tokens; the text is what they are joined together.
  virtual absl::StatusOr<std::vector<std::string>> Decode(
      std::vector<std::string> tokens) const = 0;
};

// ByteLevel, ByteFallback, Fuse, Replace, Strip, Sequence, or null (a space between tokens).
absl::StatusOr<std::unique_ptr<TokenDecoder>> MakeTokenDecoder(const nlohmann::json& description);

}  // namespace rondo
