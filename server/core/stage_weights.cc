#include "server/core/stage_weights.h"

#include <algorithm>

#include "common/domain/overrides.h"

namespace rondo {
namespace {

LayerWeights OfLayer(const JobSpec& spec, const ModelLayout& layout, int64_t index) {
  LayerWeights layer;
  for (const LinearLayout& linear : layout.linears) {
    const LayerSettings settings =
        SettingsOf(spec.grid, spec.overrides, FullName(layout, index, linear.name));
    const int64_t weights = linear.out * linear.in;
    if (settings.skip) {
      layer.skipped += weights;
      continue;
    }
    const int64_t group = settings.grid.group_size;
    layer.linears.push_back(&linear);
    layer.quantized += weights;
    layer.groups += group == -1 ? linear.out : weights / group;
  }
  return layer;
}

}  // namespace

StageWeights WeightsOf(const JobSpec& spec, const ModelLayout& layout, const StagePlan& stage) {
  StageWeights weights;
  for (int64_t i = stage.first_layer; i < stage.end_layer; ++i) {
    const bool as_the_first = spec.overrides.empty() && i > stage.first_layer;
    weights.layers.push_back(as_the_first ? weights.layers[0] : OfLayer(spec, layout, i));
  }
  return weights;
}

int64_t StageWeights::quantized() const {
  int64_t total = 0;
  for (const LayerWeights& layer : layers) total += layer.quantized;
  return total;
}

int64_t StageWeights::skipped() const {
  int64_t total = 0;
  for (const LayerWeights& layer : layers) total += layer.skipped;
  return total;
}

int64_t StageWeights::QuantizedBytes() const {
  int64_t total = 0;
  for (const LayerWeights& layer : layers) total += layer.QuantizedBytes();
  return total;
}

int64_t StageWeights::LargestQuantizedBytes() const {
  int64_t largest = 0;
  for (const LayerWeights& layer : layers) largest = std::max(largest, layer.QuantizedBytes());
  return largest;
}

}  // namespace rondo
