#include "server/core/disk_bytes.h"

#include "common/domain/overrides.h"
#include "server/core/stage_memory.h"

namespace rondo {
namespace {

// Layout of the packed format: docs/formats.md, "pack-quantized".
int64_t LinearBytes(const LinearLayout& linear, const LayerSettings& settings,
                    int64_t bytes_per_weight, ExportFormat format) {
  if (format == ExportFormat::kDense || settings.skip) {
    return linear.out * linear.in * bytes_per_weight;
  }
  const GridSpec& grid = settings.grid;
  const auto words_bytes = [&](int64_t codes) { return (codes * grid.bits + 31) / 32 * 4; };
  constexpr int64_t kShapeBytes = 16;  // weight_shape: int64[2]
  const int64_t groups = grid.group_size == -1 ? 1 : linear.in / grid.group_size;
  const int64_t zero_points = grid.symmetric ? 0 : words_bytes(linear.out) * groups;
  return linear.out * words_bytes(linear.in) + linear.out * groups * bytes_per_weight +
         kShapeBytes + zero_points;
}

StageWeights WholeModel(const JobSpec& spec, const ModelFacts& facts) {
  return WeightsOf(spec, facts.layout, {0, facts.config.num_layers});
}

}  // namespace

int64_t ExportBytes(const ModelFacts& facts, const JobSpec& spec, ExportFormat format) {
  int64_t bytes = facts.other_tensor_bytes;
  for (int64_t layer = 0; layer < facts.config.num_layers; ++layer) {
    for (const LinearLayout& linear : facts.layout.linears) {
      const LayerSettings settings =
          SettingsOf(spec.grid, spec.overrides, FullName(facts.layout, layer, linear.name));
      bytes += LinearBytes(linear, settings, facts.bytes_per_weight, format);
    }
  }
  return bytes;
}

// A start from GPTQ's fractional parts also keeps what each weight aimed at and how it was pushed
// (worker/engine/kept_layers.h).
int64_t ScratchBytes(const ModelFacts& facts, const JobSpec& spec) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned != nullptr && learned->training.checkpoint_every == 0) return 0;
  const StageWeights whole = WholeModel(spec, facts);
  int64_t bytes = 0;
  if (GptqOf(spec.method) != nullptr) {
    const bool fractional = learned != nullptr && learned->start == RoundingStart::kFractional;
    bytes += whole.QuantizedBytes() + (fractional ? whole.quantized() * 2 * kFloatBytes : 0);
  }
  if (learned == nullptr) return bytes;
  constexpr int64_t kKeptNumbers = 3;  // a variable's value and its two moments
  return bytes + 2 * kKeptNumbers * kFloatBytes * TrainedNumbers(*learned, whole);
}

int64_t QuantizedWeights(const ModelFacts& facts, const JobSpec& spec) {
  return WholeModel(spec, facts).quantized();
}

}  // namespace rondo
