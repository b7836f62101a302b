// Text to token ids, exactly as Hugging Face's `tokenizers` does for the same tokenizer.json, or
// for the one that transformers makes of an older folder's files. Supported: model BPE (byte-level,
// and SentencePiece-style with byte fallback); the normalizers, pre-tokenizers and post-processors
// that OPT, Qwen2/3, LLaMA and SmolLM use. Anything else in the file is refused by name
// (INVALID_ARGUMENT), never ignored. Characters newer than Unicode 13 may be classed differently:
// each library carries the Unicode tables of its own year.
//
// Immutable after Load, so thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace rondo {

class Tokenizer {
 public:
  // Reads the folder's tokenizer.json, or what stands in for it (tokenizer_files.h).
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_dir);
  ~Tokenizer();

  // INVALID_ARGUMENT for text that is not UTF-8. `add_special_tokens`: apply the post-processor
  // (BOS and the like).
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text, bool add_special_tokens) const;
  absl::StatusOr<std::string> Decode(const std::vector<int32_t>& ids) const;  // keeps specials
  int64_t vocab_size() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
