// What a rank needs at its peak. Estimates in bytes; pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/plan.h"
#include "server/core/admission.h"

namespace rondo {

int64_t BytesOf(DType dtype);  // of one element; REQUIRES: not kAuto
int64_t Elements(const std::vector<TensorLayout>& tensors);
// Of a decoder layer: everything but the weights of its linears.
int64_t OtherElementsPerLayer(const ModelLayout& layout);

// The parts of a stage that trains, each at its peak.
struct TrainingMemory {
  int64_t base = 0;          // lower codes, one byte a weight
  int64_t variables = 0;     // what points a weight to its variable, and the variables with their
                             // gradients and moments
  int64_t grids = 0;         // scales and zero points
  int64_t other = 0;         // tensors that are not quantized
  int64_t saved_inputs = 0;  // of every layer, of the windows under way
  int64_t layer_graph = 0;   // of the layer that is computed again for its backward pass
  int64_t weights = 0;       // of that layer, and their gradients
  int64_t divergence = 0;    // logits of a chunk of tokens: student's, teacher's, gradient

  int64_t Total() const {
    return base + variables + grids + other + saved_inputs + layer_graph + weights + divergence;
  }
};

TrainingMemory TrainingMemoryOf(const LearnedRoundingSettings& learned, const JobSpec& spec,
                                const ModelFacts& facts, const Plan& plan, int stage);

// Of all phases. Reads the stages' layers and the dtypes of `plan`.
int64_t StageMemory(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage);

}  // namespace rondo
