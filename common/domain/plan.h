// How a job is spread over a gang. Made by the coordinator's planner; pure values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/domain/job_spec.h"

namespace rondo {

struct StagePlan {
  int64_t first_layer = 0;
  int64_t end_layer = 0;     // one past the last
  int64_t memory_bytes = 0;  // peak of the rank: weights, statistics, activations
};

struct Plan {
  std::vector<StagePlan> stages;           // contiguous, covering every decoder layer
  int replicas = 1;                        // of all stages; rank = replica * stages + stage
  bool sequential = false;                 // stages take turns (propagate: quantized)
  DType dtype = DType::kFloat32;           // what kAuto became
  DType training_dtype = DType::kFloat32;  // likewise, of the products while training
  // Training keeps the graphs of all layers from a window's forward pass to its backward pass;
  // without room for them, layers are computed again.
  bool keep_graphs = false;
  int64_t micro_batches = 0;
  int64_t wire_bytes = 0;       // activations between stages, the whole job
  double expected_seconds = 0;  // at the workers' stated matrix rate; 0 when not known
  int64_t quantized_weights = 0;
  int64_t checkpoint_bytes = 0;          // tensors of the original
  int64_t export_bytes = 0;              // of all formats asked for
  std::vector<std::string> notes;        // sentences for the user
  std::vector<int64_t> override_layers;  // linear layers that each of JobSpec::overrides matches
  int64_t scratch_bytes = 0;             // checkpoints beside the artifacts, at their largest
};

// Ranks of the gang.
inline int WorldSize(const Plan& plan) {
  return static_cast<int>(plan.stages.size()) * plan.replicas;
}

}  // namespace rondo
