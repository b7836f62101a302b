// Typed reads from tokenizer.json that end in a Status instead of an exception. `where` names the
// object for messages ("pre_tokenizer"). Pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

// The member, or null when it is absent.
const nlohmann::json& Field(const nlohmann::json& object, const std::string& key);

absl::StatusOr<std::string> StringField(const nlohmann::json& object, const std::string& where,
                                        const std::string& key);
absl::StatusOr<bool> BoolField(const nlohmann::json& object, const std::string& where,
                               const std::string& key, bool fallback);
absl::StatusOr<int64_t> IntField(const nlohmann::json& object, const std::string& where,
                                 const std::string& key);
// An array of objects, or INVALID_ARGUMENT.
absl::StatusOr<std::vector<nlohmann::json>> ListField(const nlohmann::json& object,
                                                      const std::string& where,
                                                      const std::string& key);

absl::Status Unsupported(const std::string& where, const std::string& type,
                         const std::string& supported);

}  // namespace rondo
