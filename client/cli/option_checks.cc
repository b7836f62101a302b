#include "client/cli/option_checks.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rondo {

CLI::Validator OneOrMore() {
  return CLI::Validator(
      [](const std::string& value) {
        int64_t number = 0;
        const bool fits = absl::SimpleAtoi(value, &number) && number >= 1;
        return fits ? std::string() : absl::StrCat(value, " is too small; use 1 or more");
      },
      "N>=1");
}

CLI::Validator NotZero() {
  return CLI::Validator(
      [](const std::string& value) {
        return value == "0"
                   ? std::string("0 is no group; use -1 for a whole row, or a number of columns")
                   : std::string();
      },
      "N|-1");
}

CLI::Validator OneOf(const std::vector<std::string>& accepted) {
  std::string names;
  for (const std::string& name : accepted) absl::StrAppend(&names, names.empty() ? "" : "|", name);
  return CLI::Validator(
      [accepted, names](const std::string& value) {
        for (const std::string& name : accepted) {
          if (value == name) return std::string();
        }
        return absl::StrCat("\"", value, "\" is not one of ", names);
      },
      names);
}

}  // namespace rondo
