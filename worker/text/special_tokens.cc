#include "worker/text/special_tokens.h"

#include <string>

#include "worker/text/json_fields.h"

namespace rondo {

using nlohmann::json;

absl::StatusOr<json> AroundText(const json& config, const json& vocab, const json& bos,
                                const json& eos, bool add_bos) {
  const std::string where = "tokenizer_config.json";
  ASSIGN_OR_RETURN(const bool before, BoolField(config, where, "add_bos_token", add_bos));
  ASSIGN_OR_RETURN(const bool after, BoolField(config, where, "add_eos_token", false));
  json single = json::array();
  json tokens = json::object();
  const auto add = [&](const json& token) -> absl::Status {
    const json& id = token.is_string() ? Field(vocab, token.get<std::string>()) : token;
    if (!id.is_number_integer()) {
      return absl::InvalidArgumentError(absl::StrCat("the token ", token.dump(), " that ", where,
                                                     " adds to a text is not in the vocabulary"));
    }
    single.push_back({{"SpecialToken", {{"id", token}}}});
    tokens[token.get<std::string>()] = {{"ids", {id}}};
    return absl::OkStatus();
  };
  if (before) RETURN_IF_ERROR(add(bos));
  single.push_back({{"Sequence", {{"id", "A"}}}});
  if (after) RETURN_IF_ERROR(add(eos));
  if (!before && !after) return json();
  return json{{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
}

}  // namespace rondo
