// Forward and backward through a stage's decoder layers. Either the graph of every layer is kept
// for the backward pass, or with gradient checkpointing (arXiv 1604.06174) only its input, from
// which the backward pass computes the layer again; both give the same bits.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/model/decoder.h"

namespace rondo {

// What the backward pass through one layer starts from.
struct SavedLayer {
  at::Tensor input;
  at::Tensor output;  // with its graph; undefined: computed again
};
using SavedLayers = std::vector<SavedLayer>;  // by layer

// hidden: [1, seq, hidden] in the stage's dtype -> the last layer's output. saved: null where no
// backward pass follows.
absl::StatusOr<at::Tensor> ForwardLayers(const Stage& stage, at::Tensor hidden, bool keep_graphs,
                                         SavedLayers* saved);

// gradient: with respect to the output of ForwardLayers -> with respect to its input. What the
// layers' products train is added to on the way. Drops `saved`.
absl::StatusOr<at::Tensor> BackwardLayers(const Stage& stage, SavedLayers saved,
                                          at::Tensor gradient);

}  // namespace rondo
