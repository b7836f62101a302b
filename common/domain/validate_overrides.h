// The part of validate.h that looks at LayerOverride. Pure.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

// INVALID_ARGUMENT naming the pattern, the value and what would be accepted.
absl::Status ValidateOverrides(const JobSpec& spec);

// Whether every pattern matches a linear layer, and something is left to quantize.
absl::Status ValidateOverridesForModel(const JobSpec& spec, const ModelLayout& layout,
                                       int64_t num_layers);

}  // namespace rondo
