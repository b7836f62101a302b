#include "worker/text/pattern.h"

#include <utility>

#include "worker/text/json_fields.h"

namespace rondo {

absl::StatusOr<Regex> MakePattern(const nlohmann::json& object, const std::string& where) {
  const nlohmann::json& pattern = Field(object, "pattern");
  if (pattern.is_object() && pattern.size() == 1) {
    const auto only = pattern.begin();
    if (only->is_string()) {
      const auto text = only->get<std::string>();
      if (only.key() == "Regex") return Regex::Compile(text);
      if (only.key() == "String" && !text.empty()) return Regex::Literal(text);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      where,
      ": \"pattern\" is neither {\"Regex\": text} nor {\"String\": text that is not empty}"));
}

absl::StatusOr<Replacement> MakeReplacement(const nlohmann::json& object,
                                            const std::string& where) {
  ASSIGN_OR_RETURN(Regex pattern, MakePattern(object, where));
  ASSIGN_OR_RETURN(std::string content, StringField(object, where, "content"));
  return Replacement{std::move(pattern), std::move(content)};
}

}  // namespace rondo
