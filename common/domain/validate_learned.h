// The part of validate.h that learned rounding takes. Pure.
#pragma once

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

// Of a spec whose method is `learned`.
absl::Status ValidateLearned(const LearnedRoundingSettings& learned, const JobSpec& spec);

// Whether blocks of the codebook's size fit the model's linear layers, and there are enough of them
// for its rows.
absl::Status ValidateLearnedForModel(const LearnedRoundingSettings& learned, const GridSpec& grid,
                                     const ModelLayout& layout);

}  // namespace rondo
