// The "normalizer" of tokenizer.json: rewrites text before it is cut. Immutable, so thread-safe.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace rondo {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // REQUIRES: text is UTF-8.
  virtual absl::StatusOr<std::string> Normalize(std::string_view text) const = 0;
};

// NFC, Prepend, Replace, Sequence, or null (the text stays as it is).
absl::StatusOr<std::unique_ptr<Normalizer>> MakeNormalizer(const nlohmann::json& description);

}  // namespace rondo
