#include "worker/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "worker/text/json_fields.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr const char* kAddedTokens = "added_tokens";

// \w by Unicode TR18: Alphabetic (L, M, Nl and the circled and squared letters), Nd, Pc and the
// joiners; PCRE2's own \w is narrower.
constexpr const char* kWord = R"([\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9})"
                              R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189}])";

std::string_view FirstCharacter(std::string_view text) {
  return text.substr(0, Utf8Length(text[0]));
}

std::string_view LastCharacter(std::string_view text) {
  size_t begin = text.size() - 1;
  while ((static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

absl::StatusOr<bool> IsOne(const Regex& regex, std::string_view character) {
  ASSIGN_OR_RETURN(const std::vector<Span> matches, regex.FindAll(character));
  return !matches.empty();
}

}  // namespace

absl::StatusOr<AddedTokens> AddedTokens::Create(const json& file, const Bpe& bpe,
                                                const Normalizer& normalizer) {
  ASSIGN_OR_RETURN(Regex word, Regex::Compile(kWord));
  ASSIGN_OR_RETURN(Regex space, Regex::Compile(R"(\s)"));
  AddedTokens added(std::move(word), std::move(space));
  if (Field(file, "added_tokens").is_null()) return added;
  ASSIGN_OR_RETURN(const std::vector<json> list, ListField(file, "tokenizer", kAddedTokens));
  for (const json& item : list) RETURN_IF_ERROR(added.Add(item, bpe, normalizer));
  const auto longer = [](const Entry& a, const Entry& b) {
    return a.content.size() > b.content.size();
  };
  for (Table* table : {&added.raw_, &added.normalized_}) {
    for (auto& entries : *table) std::stable_sort(entries.begin(), entries.end(), longer);
  }
  return added;
}

absl::Status AddedTokens::Add(const json& item, const Bpe& bpe, const Normalizer& normalizer) {
  ASSIGN_OR_RETURN(const std::string content, StringField(item, kAddedTokens, "content"));
  ASSIGN_OR_RETURN(const int64_t id, IntField(item, kAddedTokens, "id"));
  if (id < 0 || id > INT32_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat(kAddedTokens, ": the id of \"", content, "\" is ", id, ", not an int32"));
  }
  Entry entry{content, static_cast<int32_t>(id), false, false, false};
  ASSIGN_OR_RETURN(entry.single_word, BoolField(item, kAddedTokens, "single_word", false));
  ASSIGN_OR_RETURN(entry.lstrip, BoolField(item, kAddedTokens, "lstrip", false));
  ASSIGN_OR_RETURN(entry.rstrip, BoolField(item, kAddedTokens, "rstrip", false));
  ASSIGN_OR_RETURN(const bool special, BoolField(item, kAddedTokens, "special", false));
  ASSIGN_OR_RETURN(const bool normalized, BoolField(item, kAddedTokens, "normalized", !special));
  const std::string* other = bpe.Token(entry.id);
  const bool own_id = bpe.Find(content).value_or(entry.id) == entry.id;
  const bool free_id = other == nullptr || *other == content;
  if (!own_id || !free_id || !tokens_.emplace(entry.id, content).second) {
    return absl::InvalidArgumentError(
        absl::StrCat(kAddedTokens, ": id ", id, " of \"", content, "\" contradicts another token"));
  }
  if (normalized) {
    ASSIGN_OR_RETURN(entry.content, normalizer.Normalize(content));
  }
  if (entry.content.empty()) return absl::OkStatus();
  const auto lead = static_cast<uint8_t>(entry.content[0]);
  (normalized ? normalized_ : raw_)[lead].push_back(std::move(entry));
  return absl::OkStatus();
}

absl::StatusOr<bool> AddedTokens::StandsAlone(std::string_view text, const Span& match) const {
  if (match.begin > 0) {
    ASSIGN_OR_RETURN(const bool word, IsOne(word_, LastCharacter(text.substr(0, match.begin))));
    if (word) return false;
  }
  if (match.end == text.size()) return true;
  ASSIGN_OR_RETURN(const bool word, IsOne(word_, FirstCharacter(text.substr(match.end))));
  return !word;
}

absl::StatusOr<Span> AddedTokens::Widen(const Entry& entry, std::string_view text, Span match,
                                        size_t floor) const {
  while (entry.lstrip && match.begin > floor) {
    const std::string_view before = LastCharacter(text.substr(0, match.begin));
    ASSIGN_OR_RETURN(const bool space, IsOne(space_, before));
    if (!space) break;
    match.begin -= before.size();
  }
  while (entry.rstrip && match.end < text.size()) {
    const std::string_view after = FirstCharacter(text.substr(match.end));
    ASSIGN_OR_RETURN(const bool space, IsOne(space_, after));
    if (!space) break;
    match.end += after.size();
  }
  return match;
}

// Leftmost match first, the longest among those that start together.
absl::StatusOr<std::vector<Section>> AddedTokens::Cut(const Table& table,
                                                      std::string_view text) const {
  std::vector<Section> sections;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const std::vector<Entry>& entries = table[static_cast<uint8_t>(text[at])];
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Entry& candidate) {
      return text.substr(at).starts_with(candidate.content);
    });
    if (entry == entries.end()) {
      ++at;
      continue;
    }
    Span match{at, at + entry->content.size()};
    at = match.end;
    if (entry->single_word) {
      ASSIGN_OR_RETURN(const bool alone, StandsAlone(text, match));
      if (!alone) continue;
    }
    ASSIGN_OR_RETURN(match, Widen(*entry, text, match, done));
    if (done < match.begin) {
      sections.push_back({Section::kText, text.substr(done, match.begin - done)});
    }
    sections.push_back({entry->id, {}});
    done = at = match.end;
  }
  if (done < text.size()) sections.push_back({Section::kText, text.substr(done)});
  return sections;
}

absl::StatusOr<std::vector<Section>> AddedTokens::CutRaw(std::string_view text) const {
  return Cut(raw_, text);
}

absl::StatusOr<std::vector<Section>> AddedTokens::CutNormalized(std::string_view text) const {
  return Cut(normalized_, text);
}

const std::string* AddedTokens::Token(int32_t id) const {
  const auto it = tokens_.find(id);
  return it == tokens_.end() ? nullptr : &it->second;
}

}  // namespace rondo
