// The "added_tokens" of tokenizer.json: strings that become one id each before the model sees the
// text. Immutable, so thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "worker/text/bpe.h"
#include "worker/text/normalizer.h"
#include "worker/text/regex.h"

namespace rondo {

// A part of a text: an added token, or text between them.
struct Section {
  int32_t id;  // kText: no added token
  std::string_view text;
  static constexpr int32_t kText = -1;
};

class AddedTokens {
 public:
  // Refuses a token whose id is not the model's own for the same string, or is another token's.
  static absl::StatusOr<AddedTokens> Create(const nlohmann::json& file, const Bpe& bpe,
                                            const Normalizer& normalizer);

  // Those with normalized: false are searched in the raw text, the others in normalized text.
  absl::StatusOr<std::vector<Section>> CutRaw(std::string_view text) const;
  absl::StatusOr<std::vector<Section>> CutNormalized(std::string_view text) const;

  // Null when no added token has this id.
  const std::string* Token(int32_t id) const;
  const std::map<int32_t, std::string>& tokens() const { return tokens_; }

 private:
  struct Entry {
    std::string content;  // as it is searched
    int32_t id;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  // By first byte, longest first.
  using Table = std::array<std::vector<Entry>, 256>;

  AddedTokens(Regex word, Regex space) : word_(std::move(word)), space_(std::move(space)) {}
  absl::Status Add(const nlohmann::json& item, const Bpe& bpe, const Normalizer& normalizer);
  absl::StatusOr<std::vector<Section>> Cut(const Table& table, std::string_view text) const;
  absl::StatusOr<bool> StandsAlone(std::string_view text, const Span& match) const;
  // The match with the white space that its token takes in, but none before `floor`.
  absl::StatusOr<Span> Widen(const Entry& entry, std::string_view text, Span match,
                             size_t floor) const;

  Table raw_;
  Table normalized_;
  std::map<int32_t, std::string> tokens_;
  Regex word_;   // one word character
  Regex space_;  // one white space character
};

}  // namespace rondo
