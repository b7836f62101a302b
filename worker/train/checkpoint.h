// Tensors of a training run on disk, a file for each decoder layer and step:
// <dir>/layer-00012-step-000300.safetensors, written aside, synced and renamed, with the SHA-256 of
// its data in the header. Several ranks write into one folder, each its own layers. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"

namespace rondo {

using NamedTensors = std::map<std::string, at::Tensor>;

// Makes `dir`. `key` says what the run is (content, never names); LoadLayer asks for the same one.
absl::Status SaveLayer(const std::string& dir, int64_t layer, int64_t step, const std::string& key,
                       const NamedTensors& tensors);

// OK: the file is there, and whole. NOT_FOUND: no such file. DATA_LOSS: cut short, corrupt or of
// another key; the file was then renamed to *.corrupt.
absl::Status CheckLayer(const std::string& dir, int64_t layer, int64_t step,
                        const std::string& key);

// Fails as CheckLayer() does.
absl::StatusOr<NamedTensors> LoadLayer(const std::string& dir, int64_t layer, int64_t step,
                                       const std::string& key);

// The greatest step that every layer in [0, layers) has a file of; -1: none.
absl::StatusOr<int64_t> LatestStep(const std::string& dir, int64_t layers);

// Removes the files of layers in [first_layer, end_layer) of steps in (0, step).
absl::Status RemoveOlderSteps(const std::string& dir, int64_t first_layer, int64_t end_layer,
                              int64_t step);

}  // namespace rondo
