// Bounds on the numbers of a spec, NaN refused. INVALID_ARGUMENT names the field, its value and
// what would be accepted. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace rondo {

inline absl::Status OutOfBounds(const std::string& field, double value, const std::string& right) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be ", right));
}

inline absl::Status InRange(const std::string& field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; it must be ", low, " to ", high));
}

inline absl::Status IsShare(const std::string& field, double value) {
  if (value >= 0 && value <= 1) return absl::OkStatus();
  return OutOfBounds(field, value, "0 to 1");
}

inline absl::Status IsPositiveShare(const std::string& field, double value) {
  if (value > 0 && value <= 1) return absl::OkStatus();
  return OutOfBounds(field, value, "above 0 and at most 1");
}

inline absl::Status IsPositive(const std::string& field, double value) {
  if (value > 0 && value <= std::numeric_limits<double>::max()) return absl::OkStatus();
  return OutOfBounds(field, value, "a finite number above 0");
}

inline absl::Status IsNotNegative(const std::string& field, double value) {
  if (value >= 0 && value <= std::numeric_limits<double>::max()) return absl::OkStatus();
  return OutOfBounds(field, value, "0 or a finite number above");
}

}  // namespace rondo
