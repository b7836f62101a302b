#include "common/format/json.h"

#include <set>
#include <vector>

namespace rondo {
namespace {

// Some functions of the library recurse; no file that is read here goes deeper than 5.
constexpr int kMaxDepth = 64;

}  // namespace

absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text, const std::string& what) {
  std::vector<std::set<std::string>> open_objects;
  std::string duplicate;
  bool too_deep = false;
  const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (depth > kMaxDepth) {
      too_deep = true;
      return false;
    }
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(parsed.get<std::string>()).second &&
        duplicate.empty()) {
      duplicate = parsed.get<std::string>();
    }
    return true;
  };
  nlohmann::json value;
  try {
    value = nlohmann::json::parse(text, watch);
  } catch (const nlohmann::json::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is not valid JSON (at byte ", error.byte, ")"));
  } catch (const nlohmann::json::exception&) {  // a number out of range
    return absl::InvalidArgumentError(absl::StrCat(what, " is not valid JSON"));
  }
  if (too_deep) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is nested more than ", kMaxDepth, " deep"));
  }
  if (!value.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
  }
  if (!duplicate.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " names \"", duplicate, "\" twice"));
  }
  return value;
}

}  // namespace rondo
