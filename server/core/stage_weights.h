// What becomes of the linear layers of a stage under a job's overrides, in numbers of weights and
// bytes. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"
#include "common/domain/plan.h"

namespace rondo {

// Of one decoder layer.
struct LayerWeights {
  std::vector<const LinearLayout*> linears;  // those that are quantized
  int64_t quantized = 0;                     // weights of these
  int64_t groups = 0;                        // of these
  int64_t skipped = 0;                       // weights of the others

  // Integers, one byte each, with a scale and a zero point a group, float32.
  int64_t QuantizedBytes() const { return quantized + groups * 2 * 4; }
};

struct StageWeights {
  std::vector<LayerWeights> layers;

  int64_t quantized() const;
  int64_t skipped() const;
  int64_t QuantizedBytes() const;         // of all layers
  int64_t LargestQuantizedBytes() const;  // of one
};

// `layout` must outlive what is returned.
StageWeights WeightsOf(const JobSpec& spec, const ModelLayout& layout, const StagePlan& stage);

}  // namespace rondo
