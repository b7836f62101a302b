// The "pattern" objects of tokenizer.json: {"String": ...} or {"Regex": ...}.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "worker/text/regex.h"

namespace rondo {

// object["pattern"]; `where` names the object for messages.
absl::StatusOr<Regex> MakePattern(const nlohmann::json& object, const std::string& where);

// {"pattern": ..., "content": ...}: every match replaced. Immutable, so thread-safe.
struct Replacement {
  Regex pattern;
  std::string content;
  absl::StatusOr<std::string> Apply(std::string_view text) const {
    return pattern.ReplaceAll(text, content);
  }
};

absl::StatusOr<Replacement> MakeReplacement(const nlohmann::json& object, const std::string& where);

}  // namespace rondo
