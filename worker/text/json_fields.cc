#include "worker/text/json_fields.h"

namespace rondo {
namespace {

using nlohmann::json;

absl::Status Wrong(const std::string& where, const std::string& key, const char* wanted) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": \"", key, "\" is not ", wanted));
}

}  // namespace

const json& Field(const json& object, const std::string& key) {
  static const json kNull;
  const auto it = object.find(key);
  return it == object.end() ? kNull : *it;
}

absl::StatusOr<std::string> StringField(const json& object, const std::string& where,
                                        const std::string& key) {
  const json& value = Field(object, key);
  if (!value.is_string()) return Wrong(where, key, "a string");
  return value.get<std::string>();
}

absl::StatusOr<bool> BoolField(const json& object, const std::string& where, const std::string& key,
                               bool fallback) {
  const json& value = Field(object, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return Wrong(where, key, "true or false");
  return value.get<bool>();
}

absl::StatusOr<int64_t> IntField(const json& object, const std::string& where,
                                 const std::string& key) {
  const json& value = Field(object, key);
  if (!value.is_number_integer()) return Wrong(where, key, "an integer");
  return value.get<int64_t>();
}

absl::StatusOr<std::vector<json>> ListField(const json& object, const std::string& where,
                                            const std::string& key) {
  const json& value = Field(object, key);
  if (!value.is_array()) return Wrong(where, key, "an array");
  for (const json& item : value) {
    if (!item.is_object()) return Wrong(where, key, "an array of objects");
  }
  return value.get<std::vector<json>>();
}

absl::Status Unsupported(const std::string& where, const std::string& type,
                         const std::string& supported) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": type \"", type, "\" is not supported; supported are ", supported));
}

}  // namespace rondo
