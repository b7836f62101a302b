#include "worker/text/bpe.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "worker/text/json_fields.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;

struct TokenHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Vocabulary = std::unordered_map<std::string, int32_t, TokenHash, std::equal_to<>>;

struct MergeRule {
  int32_t rank;
  int32_t id;  // of the merged token
};

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

using MergeRules = absl::flat_hash_map<uint64_t, MergeRule>;

// The symbols of one piece as a doubly linked list, and a heap of the merges that are possible.
class Merger {
 public:
  Merger(const MergeRules& rules, const std::vector<int32_t>& ids) : rules_(rules) {
    const auto count = static_cast<int32_t>(ids.size());
    symbols_.reserve(ids.size());
    for (int32_t i = 0; i < count; ++i) {
      symbols_.push_back({ids[i], i - 1, i + 1 < count ? i + 1 : kNone});
    }
    std::vector<Candidate> candidates;
    for (int32_t i = 0; i + 1 < count; ++i) {
      if (const MergeRule* rule = Rule(i); rule != nullptr)
        candidates.push_back({rule->rank, i, rule->id});
    }
    heap_ = Heap(std::greater<>(), std::move(candidates));
  }

  // Lowest rank first, leftmost among equals.
  void Run() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const int32_t at = top.position;
      // A candidate is stale when either of its symbols has been merged since.
      if (symbols_[at].id == kNone) continue;
      const MergeRule* rule = Rule(at);
      if (rule == nullptr || rule->id != top.id) continue;
      Merge(at, top.id);
    }
  }

  void AppendIds(std::vector<int32_t>* ids) const {
    for (int32_t i = symbols_.empty() ? kNone : 0; i != kNone; i = symbols_[i].next) {
      ids->push_back(symbols_[i].id);
    }
  }

 private:
  static constexpr int32_t kNone = -1;
  struct Symbol {
    int32_t id;  // kNone: merged into its left neighbour
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    int32_t rank;
    int32_t position;
    int32_t id;
    bool operator>(const Candidate& other) const {
      return std::tie(rank, position) > std::tie(other.rank, other.position);
    }
  };
  using Heap = std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>>;

  // How the symbol at `at` merges with the next one; null: not at all.
  const MergeRule* Rule(int32_t at) const {
    const int32_t next = symbols_[at].next;
    if (next == kNone) return nullptr;
    const auto it = rules_.find(PairKey(symbols_[at].id, symbols_[next].id));
    return it == rules_.end() ? nullptr : &it->second;
  }

  void Merge(int32_t at, int32_t id) {
    Symbol& left = symbols_[at];
    Symbol& right = symbols_[left.next];
    left.id = id;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) symbols_[left.next].previous = at;
    if (left.previous != kNone) Push(left.previous);
    Push(at);
  }

  void Push(int32_t at) {
    if (const MergeRule* rule = Rule(at); rule != nullptr) heap_.push({rule->rank, at, rule->id});
  }

  const MergeRules& rules_;
  std::vector<Symbol> symbols_;
  Heap heap_;
};

absl::StatusOr<std::pair<std::string, std::string>> ParseMerge(const json& merge, size_t index) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (merge.is_string()) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("model: merge ", index, " is neither \"a b\" nor [\"a\", \"b\"]"));
}

}  // namespace

struct Bpe::Tables {
  Vocabulary vocabulary;
  absl::flat_hash_map<int32_t, std::string> tokens;
  MergeRules rules;
  std::optional<int32_t> unknown;
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
  std::array<std::optional<int32_t>, 256> byte_tokens;  // of <0x00> to <0xFF>

  absl::Status ReadVocabulary(const json& model);
  absl::Status ReadMerges(const json& model);
  absl::Status ReadSettings(const json& model);
};

absl::Status Bpe::Tables::ReadVocabulary(const json& model) {
  const json& vocab = Field(model, "vocab");
  if (!vocab.is_object()) return absl::InvalidArgumentError("model: \"vocab\" is not an object");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      return absl::InvalidArgumentError(
          absl::StrCat("model: the id of token \"", token, "\" is ", id.dump(), ", not an int32"));
    }
    const auto value = id.get<int32_t>();
    const auto [it, fresh] = tokens.emplace(value, token);
    if (!fresh) {
      return absl::InvalidArgumentError(
          absl::StrCat("model: tokens \"", it->second, "\" and \"", token, "\" share id ", value));
    }
    vocabulary.emplace(token, value);
  }
  for (size_t byte = 0; byte < byte_tokens.size(); ++byte) {
    const auto it = vocabulary.find(absl::StrFormat("<0x%02X>", byte));
    if (it != vocabulary.end()) byte_tokens[byte] = it->second;
  }
  return absl::OkStatus();
}

absl::Status Bpe::Tables::ReadMerges(const json& model) {
  const json& merges = Field(model, "merges");
  if (!merges.is_array()) return absl::InvalidArgumentError("model: \"merges\" is not an array");
  for (size_t i = 0; i < merges.size(); ++i) {
    ASSIGN_OR_RETURN(const auto pair, ParseMerge(merges[i], i));
    const auto left = vocabulary.find(pair.first);
    const auto right = vocabulary.find(pair.second);
    const auto merged = vocabulary.find(pair.first + pair.second);
    if (left == vocabulary.end() || right == vocabulary.end() || merged == vocabulary.end()) {
      return absl::InvalidArgumentError(absl::StrCat("model: merge ", i, " (\"", pair.first,
                                                     "\", \"", pair.second,
                                                     "\") names a token that vocab lacks"));
    }
    rules.insert_or_assign(PairKey(left->second, right->second),
                           MergeRule{static_cast<int32_t>(i), merged->second});
  }
  return absl::OkStatus();
}

absl::Status Bpe::Tables::ReadSettings(const json& model) {
  ASSIGN_OR_RETURN(fuse_unknown, BoolField(model, "model", "fuse_unk", false));
  ASSIGN_OR_RETURN(byte_fallback, BoolField(model, "model", "byte_fallback", false));
  ASSIGN_OR_RETURN(ignore_merges, BoolField(model, "model", "ignore_merges", false));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const json& affix = Field(model, key);
    if (!affix.is_null() && affix != "") {
      return absl::InvalidArgumentError(
          absl::StrCat("model: ", key, " ", affix.dump(), " is not supported; only null is"));
    }
  }
  if (const json& dropout = Field(model, "dropout"); !dropout.is_null() && dropout != 0.0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: dropout ", dropout.dump(), " is not supported; only null is"));
  }
  if (Field(model, "unk_token").is_null()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string token, StringField(model, "model", "unk_token"));
  const auto it = vocabulary.find(token);
  if (it == vocabulary.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: unk_token \"", token, "\" is not in vocab"));
  }
  unknown = it->second;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Bpe>> Bpe::Create(const json& description) {
  // Files of tokenizers before 0.13 leave the type out.
  if (const json& type = Field(description, "type"); !type.is_null() && type != "BPE") {
    return Unsupported("model", type.is_string() ? type.get<std::string>() : type.dump(), "BPE");
  }
  auto tables = std::make_unique<Tables>();
  RETURN_IF_ERROR(tables->ReadVocabulary(description));
  RETURN_IF_ERROR(tables->ReadMerges(description));
  RETURN_IF_ERROR(tables->ReadSettings(description));
  return std::unique_ptr<Bpe>(new Bpe(std::move(tables)));
}

Bpe::Bpe(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Bpe::~Bpe() = default;

// One id a character; a character outside the vocabulary gives its bytes' tokens, else the unknown
// token (a run of them one, when fused), else nothing. A pending unknown token is written only when
// the next character is in the vocabulary, behind any byte tokens: so does Hugging Face's.
std::vector<int32_t> Bpe::Characters(std::string_view piece) const {
  std::vector<int32_t> ids;
  bool pending_unknown = false;
  for (size_t i = 0; i < piece.size();) {
    const std::string_view character = piece.substr(i, Utf8Length(piece[i]));
    i += character.size();
    if (const auto id = Find(character)) {
      if (pending_unknown) ids.push_back(*tables_->unknown);
      pending_unknown = false;
      ids.push_back(*id);
      continue;
    }
    const auto byte_token = [&](char c) { return tables_->byte_tokens[static_cast<uint8_t>(c)]; };
    if (tables_->byte_fallback && std::all_of(character.begin(), character.end(),
                                              [&](char c) { return byte_token(c).has_value(); })) {
      for (const char c : character) ids.push_back(*byte_token(c));
    } else if (tables_->unknown.has_value()) {
      if (pending_unknown && !tables_->fuse_unknown) ids.push_back(*tables_->unknown);
      pending_unknown = true;
    }
  }
  if (pending_unknown) ids.push_back(*tables_->unknown);
  return ids;
}

void Bpe::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  if (tables_->ignore_merges) {
    if (const auto id = Find(piece)) {
      ids->push_back(*id);
      return;
    }
  }
  Merger merger(tables_->rules, Characters(piece));
  merger.Run();
  merger.AppendIds(ids);
}

std::optional<int32_t> Bpe::Find(std::string_view token) const {
  const auto it = tables_->vocabulary.find(token);
  if (it == tables_->vocabulary.end()) return std::nullopt;
  return it->second;
}

const std::string* Bpe::Token(int32_t id) const {
  const auto it = tables_->tokens.find(id);
  return it == tables_->tokens.end() ? nullptr : &it->second;
}

int64_t Bpe::size() const { return static_cast<int64_t>(tables_->tokens.size()); }

}  // namespace rondo
