// What a rank needs at its peak. Estimates in bytes; pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/plan.h"
#include "server/core/admission.h"
#include "server/core/stage_weights.h"

namespace rondo {

inline constexpr int64_t kFloatBytes = 4;

int64_t BytesOf(DType dtype);  // of one element; REQUIRES: not kAuto
int64_t Elements(const std::vector<TensorLayout>& tensors);
// Of a decoder layer: everything but the weights of its linears.
int64_t OtherElementsPerLayer(const ModelLayout& layout);

// Numbers that are trained for the linears of `stage`.
int64_t TrainedNumbers(const LearnedRoundingSettings& learned, const StageWeights& stage);

// The parts of a stage that trains, each at its peak.
struct TrainingMemory {
  int64_t start = 0;       // integer weights that training starts from, with their grids
  int64_t base = 0;        // lower codes, one byte a weight
  int64_t variables = 0;   // what points a weight to its variable, and the variables with their
                           // gradients and moments
  int64_t other = 0;       // tensors that are not quantized
  int64_t teacher = 0;     // its head, and what is read of its cached states
  int64_t graphs = 0;      // activations and weights that the backward pass reads, of the windows
                           // under way: of all layers (Plan::keep_graphs), or their inputs and one
                           // layer
  int64_t divergence = 0;  // logits of a chunk of tokens: student's, teacher's, gradient

  int64_t Total() const { return start + base + variables + other + teacher + graphs + divergence; }
};

TrainingMemory TrainingMemoryOf(const LearnedRoundingSettings& learned, const JobSpec& spec,
                                const ModelFacts& facts, const Plan& plan, int stage);

// Of all phases, beside what every rank takes (WorkerInfo::rank_bytes). Reads the stages' layers
// and the dtypes of `plan`.
int64_t StageMemory(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage);

}  // namespace rondo
