// What a spec is checked for before anything is queued, beyond its values: the model's and the
// data's files. Thread-safe functions; they read headers and configs, not weights.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

// What planning needs to know of a model and its data.
struct ModelFacts {
  ModelConfig config;
  ModelLayout layout;
  int64_t checkpoint_bytes = 0;    // all tensors of the checkpoint
  int64_t bytes_per_weight = 0;    // of the decoder's linears as stored
  int64_t other_tensor_bytes = 0;  // as stored: everything of the layout but linear weights
  // Windows each evaluation set is measured over; 0: known only when its text is tokenized.
  std::vector<int64_t> evaluation_windows;
};

// INVALID_ARGUMENT or NOT_FOUND naming the path and what is wrong with it.
absl::StatusOr<ModelFacts> CheckSpec(const JobSpec& spec);

}  // namespace rondo
