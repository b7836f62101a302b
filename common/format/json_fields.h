// Fields of one JSON object, checked one by one. Refers to the object.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/status.h"
#include "common/format/json.h"

namespace rondo {

// Far above any model; products of two sizes stay within int64.
inline constexpr int64_t kMaxModelSize = 1 << 24;

// `where` begins every message. A field that is null counts as absent.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  const nlohmann::json* Get(const std::string& name) const {
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  absl::Status PositiveInt(const std::string& name, int64_t* out) const {
    const nlohmann::json* value = Get(name);
    if (value == nullptr) return Missing(name);
    if (!value->is_number_integer() || *value < 1 || *value > kMaxModelSize) {
      return Wrong(name, absl::StrCat("a whole number from 1 to ", kMaxModelSize));
    }
    *out = value->get<int64_t>();
    return absl::OkStatus();
  }

  absl::Status PositiveIntOr(const std::string& name, int64_t otherwise, int64_t* out) const {
    if (Get(name) != nullptr) return PositiveInt(name, out);
    *out = otherwise;
    return absl::OkStatus();
  }

  absl::Status PositiveNumber(const std::string& name, double* out) const {
    const nlohmann::json* value = Get(name);
    if (value == nullptr) return Missing(name);
    if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() <= 0) {
      return Wrong(name, "a number above 0");
    }
    *out = value->get<double>();
    return absl::OkStatus();
  }

  // Leaves *out when the field is absent.
  absl::Status OptionalPositiveNumber(const std::string& name, double* out) const {
    return Get(name) == nullptr ? absl::OkStatus() : PositiveNumber(name, out);
  }

  absl::Status OptionalBool(const std::string& name, bool* out) const {
    const nlohmann::json* value = Get(name);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_boolean()) return Wrong(name, "true or false");
    *out = value->get<bool>();
    return absl::OkStatus();
  }

  absl::Status OptionalString(const std::string& name, std::string* out) const {
    const nlohmann::json* value = Get(name);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_string()) return Wrong(name, "a string");
    *out = value->get<std::string>();
    return absl::OkStatus();
  }

  absl::Status Missing(const std::string& name) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, " has no \"", name, "\""));
  }

  absl::Status Invalid(const std::string& message) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": ", message));
  }

  absl::Status Wrong(const std::string& name, const std::string& wanted) const {
    return Invalid(
        absl::StrCat("\"", name, "\" is ", object_.at(name).dump(), "; it must be ", wanted));
  }

  const std::string& where() const { return where_; }

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace rondo
