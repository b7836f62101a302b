// Whether two models' tokens mean the same. Thread-safe functions; they read tokenizer.json.
#pragma once

#include <string>

#include "common/base/status.h"

namespace rondo {

// INVALID_ARGUMENT naming the first token that the teacher's tokenizer.json maps otherwise than the
// model's. OK when one of the folders has no tokenizer.json: then there is nothing to tell by.
absl::Status CheckSameVocabulary(const std::string& model_dir, const std::string& teacher_dir);

}  // namespace rondo
