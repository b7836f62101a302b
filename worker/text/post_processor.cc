#include "worker/text/post_processor.h"

#include <string>

#include "worker/text/json_fields.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr const char* kPostProcessor = "post_processor";

absl::Status AppendIds(const json& special_tokens, const std::string& name,
                       std::vector<int32_t>* out) {
  const json& ids = Field(Field(special_tokens, name), "ids");
  if (!ids.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kPostProcessor, ": special token \"", name, "\" has no ids"));
  }
  for (const json& id : ids) {
    if (!id.is_number_integer()) {
      return absl::InvalidArgumentError(
          absl::StrCat(kPostProcessor, ": an id of special token \"", name, "\" is ", id.dump()));
    }
    out->push_back(id.get<int32_t>());
  }
  return absl::OkStatus();
}

absl::StatusOr<SpecialIds> MakeTemplate(const json& description) {
  ASSIGN_OR_RETURN(const std::vector<json> pieces,
                   ListField(description, kPostProcessor, "single"));
  SpecialIds ids;
  int texts = 0;
  for (const json& piece : pieces) {
    if (const json& special = Field(piece, "SpecialToken"); special.is_object()) {
      ASSIGN_OR_RETURN(const std::string name, StringField(special, kPostProcessor, "id"));
      RETURN_IF_ERROR(AppendIds(Field(description, "special_tokens"), name,
                                texts == 0 ? &ids.before : &ids.after));
    } else {
      ++texts;
    }
  }
  if (texts != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        kPostProcessor, ": the single template holds the text ", texts, " times, not once"));
  }
  return ids;
}

// [name, id]
absl::StatusOr<int32_t> PairId(const json& description, const std::string& key) {
  const json& pair = Field(description, key);
  if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_integer()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kPostProcessor, ": \"", key, "\" is not a token and its id"));
  }
  return pair[1].get<int32_t>();
}

}  // namespace

absl::StatusOr<SpecialIds> MakePostProcessor(const json& description) {
  SpecialIds ids;
  if (description.is_null()) return ids;
  ASSIGN_OR_RETURN(const std::string type, StringField(description, kPostProcessor, "type"));
  if (type == "ByteLevel") return ids;
  if (type == "TemplateProcessing") return MakeTemplate(description);
  if (type == "RobertaProcessing") {
    ASSIGN_OR_RETURN(ids.before.emplace_back(), PairId(description, "cls"));
    ASSIGN_OR_RETURN(ids.after.emplace_back(), PairId(description, "sep"));
    return ids;
  }
  if (type != "Sequence") {
    return Unsupported(kPostProcessor, type,
                       "ByteLevel, RobertaProcessing, Sequence, TemplateProcessing");
  }
  ASSIGN_OR_RETURN(const std::vector<json> list,
                   ListField(description, kPostProcessor, "processors"));
  for (const json& item : list) {
    ASSIGN_OR_RETURN(const SpecialIds outer, MakePostProcessor(item));
    ids.before.insert(ids.before.begin(), outer.before.begin(), outer.before.end());
    ids.after.insert(ids.after.end(), outer.after.begin(), outer.after.end());
  }
  return ids;
}

}  // namespace rondo
