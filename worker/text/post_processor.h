// The "post_processor" of tokenizer.json, as the ids that it puts around one text. A pure function.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/status.h"

namespace rondo {

struct SpecialIds {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

// TemplateProcessing, RobertaProcessing, ByteLevel (adds nothing), Sequence, or null.
absl::StatusOr<SpecialIds> MakePostProcessor(const nlohmann::json& description);

}  // namespace rondo
