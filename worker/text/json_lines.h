// JSON lines: one JSON object a line, of which one field is the text of a document. A pure
// function.
#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace rondo {

// The documents in order with a blank line between them, as the texts of WikiText are joined.
// Blank lines are left out. INVALID_ARGUMENT names the line.
absl::StatusOr<std::string> JoinJsonLines(std::string_view lines, const std::string& field);

}  // namespace rondo
