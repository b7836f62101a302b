#include "server/core/disk_bytes.h"

#include "common/domain/overrides.h"
#include "server/core/stage_memory.h"

namespace rondo {
namespace {

constexpr int64_t kFloatBytes = 4;

int64_t Groups(const LinearLayout& linear, const GridSpec& grid) {
  return grid.group_size == -1 ? 1 : linear.in / grid.group_size;
}

// Layout of the packed format: docs/formats.md, "pack-quantized".
int64_t LinearBytes(const LinearLayout& linear, const LayerSettings& settings,
                    int64_t bytes_per_weight, ExportFormat format) {
  if (format == ExportFormat::kDense || settings.skip) {
    return linear.out * linear.in * bytes_per_weight;
  }
  const GridSpec& grid = settings.grid;
  const auto words_bytes = [&](int64_t codes) { return (codes * grid.bits + 31) / 32 * 4; };
  constexpr int64_t kShapeBytes = 16;  // weight_shape: int64[2]
  const int64_t groups = Groups(linear, grid);
  const int64_t zero_points = grid.symmetric ? 0 : words_bytes(linear.out) * groups;
  return linear.out * words_bytes(linear.in) + linear.out * groups * bytes_per_weight +
         kShapeBytes + zero_points;
}

// A byte a weight, a scale and a zero point a group; a start from GPTQ's fractional parts also
// keeps what it aimed at and how it was pushed, in float32 (worker/engine/kept_layers.h).
int64_t KeptBytes(const LinearLayout& linear, const LayerSettings& settings, bool fractional) {
  if (settings.skip) return 0;
  const int64_t a_weight = fractional ? 1 + 2 * kFloatBytes : 1;
  return linear.out * (linear.in * a_weight + Groups(linear, settings.grid) * 2 * kFloatBytes);
}

// Calls f(linear, settings) for every linear layer of the model.
template <typename F>
void ForEachLinear(const ModelFacts& facts, const JobSpec& spec, const F& f) {
  for (int64_t layer = 0; layer < facts.config.num_layers; ++layer) {
    for (const LinearLayout& linear : facts.layout.linears) {
      f(linear, SettingsOf(spec.grid, spec.overrides, FullName(facts.layout, layer, linear.name)));
    }
  }
}

}  // namespace

int64_t ExportBytes(const ModelFacts& facts, const JobSpec& spec, ExportFormat format) {
  int64_t bytes = facts.other_tensor_bytes;
  ForEachLinear(facts, spec, [&](const LinearLayout& linear, const LayerSettings& settings) {
    bytes += LinearBytes(linear, settings, facts.bytes_per_weight, format);
  });
  return bytes;
}

int64_t ScratchBytes(const ModelFacts& facts, const JobSpec& spec) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned != nullptr && learned->training.checkpoint_every == 0) return 0;
  int64_t bytes = 0;
  if (GptqOf(spec.method) != nullptr) {
    const bool fractional = learned != nullptr && learned->start == RoundingStart::kFractional;
    ForEachLinear(facts, spec, [&](const LinearLayout& linear, const LayerSettings& settings) {
      bytes += KeptBytes(linear, settings, fractional);
    });
  }
  if (learned == nullptr) return bytes;
  constexpr int64_t kKeptNumbers = 3;  // a variable's value and its two moments
  return bytes + 2 * kKeptNumbers * kFloatBytes * TrainedNumbers(*learned, spec, facts);
}

int64_t QuantizedWeights(const ModelFacts& facts, const JobSpec& spec) {
  int64_t weights = 0;
  ForEachLinear(facts, spec, [&](const LinearLayout& linear, const LayerSettings& settings) {
    if (!settings.skip) weights += linear.out * linear.in;
  });
  return weights;
}

}  // namespace rondo
