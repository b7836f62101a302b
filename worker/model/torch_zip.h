// Where the tensors of a PyTorch checkpoint lie: the zip format of torch.save, whose records are
// stored as they are. LibTorch's own reader and unpickler say so; they run no code, and a type that
// is neither a tensor nor a container ends the reading (docs/adr/0011-torch-checkpoints.md).
#pragma once

#include <vector>

#include "common/base/status.h"
#include "common/format/tensor_info.h"
#include "common/io/file.h"

namespace rondo {

// A TensorFinder (common/format/checkpoint.h). Reads the zip's directory and the pickle, not the
// tensors. INVALID_ARGUMENT starts with the file's path. Thread-safe.
absl::StatusOr<std::vector<StoredTensor>> FindTorchTensors(const MappedFile& file);

}  // namespace rondo
