// The two ways through a model (docs: ARCHITECTURE.md, "Two ways through a model"): layers that
// depend on the unquantized model only, and layers that depend on the quantized ones before them.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/engine/quantize_layer.h"

namespace rondo {

// Takes each decoder layer as soon as it is quantized.
using LayerSink = std::function<absl::Status(int64_t local_layer, SolvedLayer solved)>;

// rtn, and gptq with full-precision statistics: one streamed teacher pass collects the statistics
// of every layer, then all stages quantize their layers side by side. Collective.
absl::Status QuantizeIndependentLayers(const RankContext& ctx, const at::Tensor& calibration,
                                       const LayerSink& sink);

// gptq with propagate: quantized. Stages take turns: a stage waits for the hidden states of all
// samples, and hands them on through its own quantized layers. Inside a layer, too, a linear's
// statistics come from the quantized linears before it. Collective.
absl::Status QuantizeSequentialLayers(const RankContext& ctx, const at::Tensor& calibration,
                                      const LayerSink& sink);

}  // namespace rondo
