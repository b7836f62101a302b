// Which files make up the checkpoint of a Hugging Face model folder. Thread-safe functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

enum class CheckpointForm { kSafetensors, kTorch };

struct CheckpointFiles {
  CheckpointForm form = CheckpointForm::kSafetensors;
  std::string index;                            // path; empty: one file without an index
  std::map<std::string, std::string> shard_of;  // tensor -> path of its file, as the index says
  std::vector<std::string> paths;               // of all files, each once

  absl::StatusOr<int64_t> bytes() const;  // of all files
};

// model.safetensors, or the shards of model.safetensors.index.json; where neither is there,
// pytorch_model.bin or its index, in the zip format of torch.save. All files exist. NOT_FOUND: no
// such folder, or nothing in it looks like weights. INVALID_ARGUMENT: a broken index, or weights in
// another form; the message says how to convert them.
absl::StatusOr<CheckpointFiles> FindCheckpoint(const std::string& dir);

}  // namespace rondo
