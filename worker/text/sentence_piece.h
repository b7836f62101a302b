// A tokenizer.model of SentencePiece, as the tokenizer.json that transformers makes of it: both
// give the same ids. Why not through libsentencepiece: docs/adr/0012-sentencepiece.md. A pure
// function.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace rondo {

// BPE with LLaMA's settings: no normalization but "▁" for spaces. `config`: tokenizer_config.json,
// of which add_bos_token (default true) and add_eos_token (false) are read. INVALID_ARGUMENT names
// what is damaged or not supported.
absl::StatusOr<nlohmann::json> ReadSentencePiece(std::string_view model,
                                                 const nlohmann::json& config);

}  // namespace rondo
