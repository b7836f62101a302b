#include "common/domain/validate_overrides.h"

#include <variant>

#include "common/domain/overrides.h"
#include "common/domain/ranges.h"
#include "common/domain/validate.h"

namespace rondo {
namespace {

constexpr size_t kMaxOverrides = 256;
constexpr size_t kMaxPattern = 512;

std::string Named(const LayerOverride& change) {
  return absl::StrCat("override \"", change.pattern, "\"");
}

absl::Status ValidateMethod(const LayerOverride& change, const MethodSettings& method) {
  if (!change.method || std::holds_alternative<GptqSettings>(method)) return absl::OkStatus();
  const std::string given = LayerMethodName(*change.method);
  if (IsLearned(method)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Named(change), " has method ", given, ", but ", MethodName(method),
                     " trains all layers together; leave the method out, or skip the layers"));
  }
  if (*change.method == LayerMethod::kRtn) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Named(change),
                   " has method gptq in a job of method rtn; make gptq the job's "
                   "method and override the other layers with rtn"));
}

absl::Status ValidateLearned(const LayerOverride& change, const LearnedRoundingSettings& learned) {
  const auto* codebook = std::get_if<CodebookSettings>(&learned.parameters);
  if (codebook == nullptr || !change.group_size || *change.group_size < 0 ||
      *change.group_size % codebook->dim == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Named(change), " has group_size ", *change.group_size,
                   "; it must be a multiple of codebook.dim, ", codebook->dim, ", or -1"));
}

absl::Status ValidateOverride(const LayerOverride& change, const JobSpec& spec) {
  if (change.pattern.empty() || change.pattern.size() > kMaxPattern) {
    return absl::InvalidArgumentError(absl::StrCat("an override's pattern has ",
                                                   change.pattern.size(),
                                                   " bytes; it must have 1 to ", kMaxPattern));
  }
  const bool sets = change.bits || change.group_size || change.method;
  if (change.skip == sets) {
    return absl::InvalidArgumentError(absl::StrCat(
        Named(change), sets ? " skips layers and has settings for them; give one of the two"
                            : " says nothing; give skip, bits, group_size or method"));
  }
  GridSpec grid = spec.grid;
  grid.bits = change.bits.value_or(grid.bits);
  grid.group_size = change.group_size.value_or(grid.group_size);
  const absl::Status on_grid = ValidateGrid(grid);
  if (!on_grid.ok()) return Annotate(on_grid, Named(change));
  if (const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method)) {
    RETURN_IF_ERROR(ValidateLearned(change, *learned));
  }
  return ValidateMethod(change, spec.method);
}

}  // namespace

absl::Status ValidateOverrides(const JobSpec& spec) {
  if (!spec.overrides.empty() && std::holds_alternative<EvaluateOnly>(spec.method)) {
    return absl::InvalidArgumentError(
        "an evaluation-only job quantizes nothing; leave overrides empty");
  }
  RETURN_IF_ERROR(InRange("the number of overrides", static_cast<int64_t>(spec.overrides.size()), 0,
                          kMaxOverrides));
  for (const LayerOverride& change : spec.overrides) {
    RETURN_IF_ERROR(ValidateOverride(change, spec));
  }
  return absl::OkStatus();
}

absl::Status ValidateOverridesForModel(const JobSpec& spec, const ModelLayout& layout,
                                       int64_t num_layers) {
  const std::vector<int64_t> matches = CountMatches(spec.overrides, layout, num_layers);
  for (size_t i = 0; i < matches.size(); ++i) {
    if (matches[i] > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(Named(spec.overrides[i]),
                     " matches no linear layer of the model; their names "
                     "are like ",
                     FullName(layout, 0, layout.linears.front().name)));
  }
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (const LinearLayout& linear : layout.linears) {
      const LayerOverride* change =
          OverrideOf(spec.overrides, FullName(layout, layer, linear.name));
      if (change == nullptr || !change->skip) return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError("the overrides skip all linear layers; leave one to quantize");
}

}  // namespace rondo
