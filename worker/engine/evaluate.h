// Perplexity over windows that do not overlap: each predicts its seq - 1 later tokens, in the
// stage's dtype with float64 sums; exp of the mean over all.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// Sum of -log p and number of predictions.
struct NegativeLogLikelihood {
  double sum = 0;
  int64_t tokens = 0;

  double perplexity() const;
};

// hidden: [count, seq, hidden] after the last layer; tokens: [count, seq]. REQUIRES: stage with
// head.
absl::StatusOr<NegativeLogLikelihood> ScoreHidden(const Stage& stage, const at::Tensor& hidden,
                                                  const at::Tensor& tokens);

enum class EvaluatedModel { kOriginal, kStart, kQuantized };  // kStart: of learned rounding

// Puts quantized weights into one of this rank's layers.
using ChangeLayer = std::function<absl::Status(int64_t local_layer, DecoderLayer* layer)>;

// A collective call; the last rank reports one Evaluated event for every set. A stage that is the
// whole model holds one of its layers at a time.
absl::Status EvaluateSets(const RankContext& ctx, const std::vector<at::Tensor>& sets,
                          EvaluatedModel model, const ChangeLayer& change);

}  // namespace rondo
