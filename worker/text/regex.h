// Regular expressions over valid UTF-8 with Unicode classes, by PCRE2, written in the dialect of
// tokenizer.json (Oniguruma's). Compiled once; immutable, so thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace rondo {

// Half-open range of bytes.
struct Span {
  size_t begin = 0;
  size_t end = 0;
};

class Regex {
 public:
  // INVALID_ARGUMENT names the pattern and the place of the mistake.
  static absl::StatusOr<Regex> Compile(const std::string& pattern);
  // Matches exactly `text`.
  static absl::StatusOr<Regex> Literal(const std::string& text);

  // All matches that do not overlap, from left to right. INTERNAL when the matcher gives up.
  absl::StatusOr<std::vector<Span>> FindAll(std::string_view text) const;
  // Each match replaced by `replacement`, taken literally.
  absl::StatusOr<std::string> ReplaceAll(std::string_view text,
                                         const std::string& replacement) const;

 private:
  struct Code;
  Regex(std::string pattern, std::shared_ptr<const Code> code);
  static absl::StatusOr<Regex> CompileWith(const std::string& shown, const std::string& pattern,
                                           bool literal);
  std::string pattern_;
  std::shared_ptr<const Code> code_;
};

}  // namespace rondo
