#include "worker/text/json_lines.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "worker/text/json_fields.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;

absl::StatusOr<std::string> DocumentOf(std::string_view line, const std::string& field) {
  RETURN_IF_ERROR(CheckUtf8(line));
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("not a JSON object");
  const json& text = Field(object, field);
  if (text.is_null()) return absl::InvalidArgumentError(absl::StrCat("no field \"", field, "\""));
  if (!text.is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("field \"", field, "\" is not a text"));
  }
  return text.get<std::string>();
}

}  // namespace

absl::StatusOr<std::string> JoinJsonLines(std::string_view lines, const std::string& field) {
  std::string joined;
  bool first = true;
  for (size_t number = 1; !lines.empty(); ++number) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const absl::StatusOr<std::string> document = DocumentOf(line, field);
    if (!document.ok()) return Annotate(document.status(), absl::StrCat("line ", number));
    if (!first) joined += "\n\n";
    first = false;
    joined += *document;
  }
  return joined;
}

}  // namespace rondo
