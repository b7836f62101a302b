// What a model folder says of its tokenizer, in the form of tokenizer.json. Thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/base/status.h"

namespace rondo {

struct TokenizerFile {
  std::string path;  // of the file that was read, for messages
  nlohmann::json json;
};

// tokenizer.json; without it tokenizer.model (SentencePiece); without both vocab.json and
// merges.txt (byte-level BPE of GPT-2 and OPT), these two with tokenizer_config.json where it is
// there. NOT_FOUND when there is none of them.
absl::StatusOr<TokenizerFile> ReadTokenizerFiles(const std::string& model_dir);

}  // namespace rondo
