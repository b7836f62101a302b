// Which tensors a stage's file holds, and what the file is called. Pure functions of layouts.
#pragma once

#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/model_config.h"
#include "common/format/checkpoint.h"
#include "worker/artifact/exporter.h"

namespace rondo {

// "model.safetensors", or "model-00002-of-00003.safetensors" for stage 1 of 3.
std::string ShardName(int stage, int stages);

// Names of the tensors that go from the checkpoint to the file as they are.
std::vector<std::string> CopiedWithLayer(const ModelLayout& layout, const ExportPlan& plan,
                                         int64_t layer);
std::vector<std::string> CopiedBesidesLayers(const ModelLayout& layout, const ExportPlan& plan);

// All tensors of the file: larger element types first, so that each lies at a multiple of its
// element size, and by name within a type. NOT_FOUND names a tensor that the checkpoint lacks.
absl::StatusOr<std::vector<TensorInfo>> StageTensors(const Checkpoint& checkpoint,
                                                     const ModelLayout& layout,
                                                     const ExportPlan& plan);

}  // namespace rondo
