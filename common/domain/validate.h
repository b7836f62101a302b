// What can be said of a spec without opening a file. Pure.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

// INVALID_ARGUMENT naming the field, its value and what would be accepted.
absl::Status Validate(const JobSpec& spec);

absl::Status ValidateGrid(const GridSpec& grid);

// Whether the grid, the overrides and the codebook fit the model's linear layers: a group size or a
// block that does not divide a layer's input is refused with that layer's name, an override that
// matches no layer with its pattern.
absl::Status ValidateForModel(const JobSpec& spec, const ModelLayout& layout, int64_t num_layers);

}  // namespace rondo
