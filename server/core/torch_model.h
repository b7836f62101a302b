// A model whose checkpoint is PyTorch's, which only workers read
// (docs/adr/0011-torch-checkpoints.md).
#pragma once

#include "common/base/status.h"
#include "common/format/checkpoint_files.h"
#include "server/core/admission.h"

namespace rondo {

// Fills in dtype and sizes, as they follow from the size of the files and the shapes of
// config.json. INVALID_ARGUMENT when the files are too small for those. REQUIRES: config and layout
// are set.
absl::Status EstimateTorchModel(const CheckpointFiles& files, ModelFacts* facts);

}  // namespace rondo
