// The config.json of an exported model. Pure function of text.
#pragma once

#include <string>

#include "common/base/status.h"
#include "worker/artifact/exporter.h"

namespace rondo {

// `source`: the text of the original's config.json. Dense: the same text. Compressed tensors: with
// "quantization_config" added as compressed-tensors reads it (docs/formats.md); everything else and
// its order are kept. INVALID_ARGUMENT when `source` is not a JSON object.
absl::StatusOr<std::string> ExportedConfig(const std::string& source, const ModelLayout& layout,
                                           int64_t num_layers, const ExportPlan& plan);

}  // namespace rondo
