// The "pre_tokenizer" of tokenizer.json: cuts text into pieces that merges never cross. Immutable,
// so thread-safe.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace rondo {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the pieces of `text`, none of them empty. REQUIRES: text is UTF-8 and not empty.
  virtual absl::Status Split(std::string_view text, std::vector<std::string>* pieces) const = 0;
};

// ByteLevel, Digits, Split, Sequence, or null (the whole text is one piece).
absl::StatusOr<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const nlohmann::json& description);

}  // namespace rondo
