// The BPE model of tokenizer.json: one piece of text to ids by merging neighbours in order of rank
// (arXiv 1508.07909), in O(n log n). Immutable, so thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace rondo {

class Bpe {
 public:
  static absl::StatusOr<std::unique_ptr<Bpe>> Create(const nlohmann::json& description);
  ~Bpe();

  // Appends the ids of one piece. REQUIRES: piece is UTF-8.
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const;

  std::optional<int32_t> Find(std::string_view token) const;
  // Null when no token has this id.
  const std::string* Token(int32_t id) const;
  int64_t size() const;

 private:
  struct Tables;
  explicit Bpe(std::unique_ptr<const Tables> tables);
  std::vector<int32_t> Characters(std::string_view piece) const;
  const std::unique_ptr<const Tables> tables_;
};

}  // namespace rondo
