// JSON from outside, without exceptions. Private to common/format.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/base/status.h"

namespace rondo {

// A JSON object in which no key occurs twice in the same object (a parser keeps one of the two, and
// not all keep the same). INVALID_ARGUMENT starts with `what`.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, const std::string& what);

}  // namespace rondo
