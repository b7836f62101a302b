#include "server/core/vocabulary.h"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/io/file.h"

namespace rondo {
namespace {

using nlohmann::json;
using Tokens = std::map<std::string, int64_t>;

// "vocab" of a BPE or WordPiece model maps tokens to ids; that of a Unigram model lists [token,
// score] in the order of ids.
void AddVocabulary(const json& vocab, Tokens* tokens) {
  if (vocab.is_object()) {
    for (const auto& [token, id] : vocab.items()) {
      if (id.is_number_integer()) (*tokens)[token] = id.get<int64_t>();
    }
  } else if (vocab.is_array()) {
    for (size_t id = 0; id < vocab.size(); ++id) {
      const json& entry = vocab[id];
      if (entry.is_array() && !entry.empty() && entry[0].is_string()) {
        (*tokens)[entry[0].get<std::string>()] = static_cast<int64_t>(id);
      }
    }
  }
}

void AddAdded(const json& added, Tokens* tokens) {
  if (!added.is_array()) return;
  for (const json& entry : added) {
    if (!entry.is_object() || !entry.contains("content") || !entry.contains("id")) continue;
    const json &content = entry["content"], &id = entry["id"];
    if (content.is_string() && id.is_number_integer()) {
      (*tokens)[content.get<std::string>()] = id.get<int64_t>();
    }
  }
}

absl::StatusOr<Tokens> ReadTokens(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  Tokens tokens;
  if (parsed.is_object()) {
    const auto model = parsed.find("model");
    if (model != parsed.end() && model->is_object() && model->contains("vocab")) {
      AddVocabulary((*model)["vocab"], &tokens);
    }
    if (parsed.contains("added_tokens")) AddAdded(parsed["added_tokens"], &tokens);
  }
  if (!tokens.empty()) return tokens;
  return absl::InvalidArgumentError(absl::StrCat(path, " holds no vocabulary in model.vocab"));
}

std::string IdOf(const Tokens& tokens, const std::string& token) {
  const auto it = tokens.find(token);
  return it == tokens.end() ? "not a token" : absl::StrCat("token ", it->second);
}

}  // namespace

absl::Status CheckSameVocabulary(const std::string& model_dir, const std::string& teacher_dir) {
  const std::string of_model = JoinPath(model_dir, "tokenizer.json");
  const std::string of_teacher = JoinPath(teacher_dir, "tokenizer.json");
  if (!FileExists(of_model) || !FileExists(of_teacher)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Tokens model, ReadTokens(of_model));
  ASSIGN_OR_RETURN(const Tokens teacher, ReadTokens(of_teacher));
  const auto differs = [&](const std::string& token) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the teacher's ", of_teacher, " has another vocabulary: ", json(token).dump(), " is ",
        IdOf(teacher, token), " there and ", IdOf(model, token), " in the model's"));
  };
  for (const auto& [token, id] : model) {
    const auto it = teacher.find(token);
    if (it == teacher.end() || it->second != id) return differs(token);
  }
  for (const auto& [token, id] : teacher) {
    if (!model.contains(token)) return differs(token);
  }
  return absl::OkStatus();
}

}  // namespace rondo
