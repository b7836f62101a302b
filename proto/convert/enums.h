// Enums between the domain and protobuf. Pure functions.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace rondo {

inline absl::Status UnknownEnum(const std::string& field, int value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", which this version does not know"));
}

// For enums whose values have the same names on both sides and follow UNSPECIFIED in the same
// order.
template <typename Proto, typename Domain>
Proto EnumToProto(Domain value) {
  return static_cast<Proto>(static_cast<int>(value) + 1);
}

// Refuses UNSPECIFIED.
template <typename Domain>
absl::StatusOr<Domain> EnumFromProto(const std::string& field, int value, Domain last) {
  if (value < 1 || value > static_cast<int>(last) + 1) return UnknownEnum(field, value);
  return static_cast<Domain>(value - 1);
}

// UNSPECIFIED leaves *known as it is: the default.
template <typename Domain>
absl::Status ReadEnum(const std::string& field, int value, Domain last, Domain* known) {
  if (value == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(*known, EnumFromProto(field, value, last));
  return absl::OkStatus();
}

}  // namespace rondo
