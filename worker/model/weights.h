// Weights of a stage out of a checkpoint: every read checks name, shape and finiteness. Refers to
// the checkpoint, which must outlive it. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "common/domain/model_config.h"
#include "common/format/checkpoint.h"
#include "worker/model/decoder.h"

namespace rondo {

// Any checkpoint that is read (common/format/checkpoint_files.h), PyTorch's among them.
absl::StatusOr<Checkpoint> OpenCheckpoint(const std::string& dir);

class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, ModelLayout layout, at::ScalarType dtype,
               at::Device device)
      : checkpoint_(checkpoint), layout_(std::move(layout)), dtype_(dtype), device_(device) {}

  const ModelLayout& layout() const { return layout_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  // A tensor outside the layers, by its full name and the shape the layout gives it. Undefined when
  // the layout has none of that name.
  absl::StatusOr<at::Tensor> ReadEnd(const std::string& name) const;
  // A tensor of one decoder layer, by its name within the layer and the shape the layout gives it.
  absl::StatusOr<at::Tensor> ReadOther(int64_t layer, const std::string& relative) const;
  // All linears of one decoder layer, in the layout's order; without `weights` only their biases.
  absl::StatusOr<std::vector<Linear>> ReadLinears(int64_t layer, bool weights) const;

 private:
  absl::StatusOr<at::Tensor> Read(const std::string& name, const std::vector<int64_t>& shape) const;

  const Checkpoint& checkpoint_;
  ModelLayout layout_;
  at::ScalarType dtype_;
  at::Device device_;
};

}  // namespace rondo
