// Reads a Hugging Face checkpoint: one file, or shards that an index names (checkpoint_files.h).
// Memory-mapped; every offset, size, dtype and shape is checked when it is opened, so later reads
// cannot leave a file. Of PyTorch's files, only LibTorch says where their tensors lie
// (docs/adr/0011). Format: https://huggingface.co/docs/safetensors (8-byte little-endian header
// length, JSON, data).
//
// Immutable after Open, so thread-safe. Views stay valid while the Checkpoint lives.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/model_config.h"
#include "common/format/checkpoint_files.h"
#include "common/format/tensor_info.h"
#include "common/io/file.h"

namespace rondo {

struct TensorView {
  TensorInfo info;
  std::span<const std::byte> data;
};

// Where the tensors of one file lie, checked to lie inside it.
using TensorFinder = std::function<absl::StatusOr<std::vector<StoredTensor>>(const MappedFile&)>;

class Checkpoint {
 public:
  // NOT_FOUND: no such folder or no model file in it. INVALID_ARGUMENT: truncated or corrupt; the
  // message names the file and the tensor. The bare decoder of a causal language model, which
  // Hugging Face saves without the "model." in front of its tensors' names (most of OPT is
  // published so), is read under the full names. PyTorch's files need a finder: OpenCheckpoint of
  // worker/model/weights.h brings it.
  static absl::StatusOr<Checkpoint> Open(const std::string& dir,
                                         const TensorFinder& torch_finder = nullptr);
  // One safetensors file.
  static absl::StatusOr<Checkpoint> OpenFile(const std::string& path);

  bool Has(const std::string& name) const { return tensors_.contains(name); }
  absl::StatusOr<TensorView> Find(const std::string& name) const;  // NOT_FOUND names it
  std::vector<std::string> names() const;                          // sorted
  int64_t total_bytes() const;
  // Advises the kernel to drop the pages of a tensor that is not needed any more.
  void Drop(const std::string& name) const;

 private:
  struct Entry {
    TensorInfo info;
    int64_t offset = 0;  // within the file
    std::shared_ptr<const MappedFile> file;
  };
  static absl::StatusOr<Checkpoint> OpenFile(const std::string& path, const TensorFinder& find);
  // Holds what the index names; further tensors of the shards are left out.
  static absl::StatusOr<Checkpoint> OpenShards(const CheckpointFiles& files,
                                               const TensorFinder& find);
  void NameInFull();
  std::map<std::string, Entry> tensors_;
};

// What the header of one safetensors file says besides its tensors: texts by name, often none.
absl::StatusOr<std::map<std::string, std::string>> ReadSafetensorsMetadata(const std::string& path);

// Reads and checks config.json (both the transformers 4 and 5 spellings: torch_dtype / dtype,
// rope_theta / rope_parameters). INVALID_ARGUMENT names the field and the value.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& model_dir);

// Whether the checkpoint holds every tensor of the layout in its shape and in a float dtype, all
// linears in the same one. INVALID_ARGUMENT names the first tensor that does not fit.
absl::Status CheckLayout(const Checkpoint& checkpoint, const ModelConfig& config,
                         const ModelLayout& layout);

// The dtype the decoder's linear weights are stored in. REQUIRES: CheckLayout succeeded.
StorageType WeightType(const Checkpoint& checkpoint, const ModelLayout& layout);

}  // namespace rondo
