#include "client/cli/override_option.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rondo {
namespace {

absl::Status Refuse(const std::string& setting) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", setting, "\" is not one of skip, bits=N, group_size=N, method=rtn|gptq"));
}

// "8" of "bits=8".
template <typename T>
absl::Status ReadNumber(const std::string& setting, const std::string& value,
                        std::optional<T>* number) {
  T parsed = 0;
  if (!absl::SimpleAtoi(value, &parsed)) return Refuse(setting);
  *number = parsed;
  return absl::OkStatus();
}

absl::Status ReadSetting(const std::string& setting, LayerOverride* change) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(setting, absl::MaxSplits('=', 1));
  const auto& [name, value] = parts;
  if (name == "bits") return ReadNumber(setting, value, &change->bits);
  if (name == "group_size") return ReadNumber(setting, value, &change->group_size);
  if (setting == "skip") {
    change->skip = true;
  } else if (setting == "method=rtn") {
    change->method = LayerMethod::kRtn;
  } else if (setting == "method=gptq") {
    change->method = LayerMethod::kGptq;
  } else {
    return Refuse(setting);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LayerOverride> ParseOverride(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not PATTERN:SETTINGS, such as *.down_proj:bits=8"));
  }
  LayerOverride change;
  change.pattern = text.substr(0, colon);
  const std::vector<std::string> settings = absl::StrSplit(text.substr(colon + 1), ',');
  for (const std::string& setting : settings) RETURN_IF_ERROR(ReadSetting(setting, &change));
  return change;
}

}  // namespace rondo
