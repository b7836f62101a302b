// The special tokens of a folder without tokenizer.json, by its tokenizer_config.json. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "common/base/status.h"

namespace rondo {

// "post_processor" that puts `bos` before and `eos` after a text where add_bos_token and
// add_eos_token of the config say so (defaults: `add_bos`, false); null when neither.
// INVALID_ARGUMENT when a token that is to be added is not in the vocabulary.
absl::StatusOr<nlohmann::json> AroundText(const nlohmann::json& config, const nlohmann::json& vocab,
                                          const nlohmann::json& bos, const nlohmann::json& eos,
                                          bool add_bos);

}  // namespace rondo
