#include "common/domain/validate.h"

#include <algorithm>
#include <set>
#include <variant>

#include "common/domain/overrides.h"
#include "common/domain/ranges.h"
#include "common/domain/s3_uri.h"
#include "common/domain/validate_learned.h"
#include "common/domain/validate_overrides.h"

namespace rondo {
namespace {

// Bounds far above any sensible job that keep sizes computed from a spec within int64.
constexpr int64_t kMaxSamples = 1 << 20;
constexpr int64_t kMaxSeqLen = 1 << 20;
constexpr int64_t kMaxMicroBatch = 1 << 12;
constexpr int kMaxThreads = 256;
constexpr int kMaxWorkers = 1024;
constexpr int64_t kMaxBlockSize = 256;
constexpr size_t kMaxEvaluationSets = 64;
constexpr size_t kMaxSetName = 64;
constexpr size_t kMaxPath = 4096;

absl::Status ValidatePath(const std::string& field, const std::string& path,
                          const std::string& what) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(field, " is empty; give ", what));
  }
  if (path.size() > kMaxPath) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is ", path.size(), " bytes long; it must be at most ", kMaxPath));
  }
  return IsS3Uri(path) ? ParseS3Uri(field, path).status() : absl::OkStatus();
}

absl::Status ValidateFolder(const std::string& field, const std::string& path) {
  return ValidatePath(field, path, "a Hugging Face model folder");
}

// Data are one file; all of a bucket is none.
absl::Status ValidateData(const std::string& field, const std::string& path) {
  RETURN_IF_ERROR(ValidatePath(field, path, "a UTF-8 text file or an .npy file of token ids"));
  if (!IsS3Uri(path) || !ParseS3Uri(field, path)->key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is \"", path, "\"; it must name an object, s3://BUCKET/KEY"));
}

absl::Status ValidateCalibration(const CalibrationSpec& calibration) {
  RETURN_IF_ERROR(ValidateData("calibration.path", calibration.path));
  RETURN_IF_ERROR(InRange("calibration.samples", calibration.samples, 1, kMaxSamples));
  return InRange("calibration.seq_len", calibration.seq_len, 2, kMaxSeqLen);
}

absl::Status ValidateGptq(const GptqSettings& gptq) {
  RETURN_IF_ERROR(IsPositiveShare("gptq.percdamp", gptq.percdamp));
  return InRange("gptq.block_size", gptq.block_size, 1, kMaxBlockSize);
}

absl::Status ValidateMethod(const JobSpec& spec) {
  if (const GptqSettings* gptq = GptqOf(spec.method)) RETURN_IF_ERROR(ValidateGptq(*gptq));
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(ValidateLearned(*learned, spec));
  const std::string& teacher = learned->training.teacher.path;
  return teacher.empty() ? absl::OkStatus() : ValidateFolder("training.teacher.path", teacher);
}

bool IsSetName(const std::string& name) {
  const bool known_characters = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return known_characters && !name.empty() && name.size() <= kMaxSetName && name != "." &&
         name != "..";
}

absl::Status ValidateEvaluation(const EvaluationSpec& evaluation) {
  if (evaluation.sets.size() > kMaxEvaluationSets) {
    return InRange("the number of evaluation sets", evaluation.sets.size(), 0, kMaxEvaluationSets);
  }
  std::set<std::string> names;
  for (const EvaluationSet& set : evaluation.sets) {
    if (!IsSetName(set.name)) {
      return absl::InvalidArgumentError(absl::StrCat("evaluation set name \"", set.name,
                                                     "\" must be 1 to ", kMaxSetName,
                                                     " of A-Z a-z 0-9 . _ -"));
    }
    if (!names.insert(set.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("evaluation set name \"", set.name, "\" is given twice; names are unique"));
    }
    RETURN_IF_ERROR(
        ValidateData(absl::StrCat("the path of evaluation set \"", set.name, "\""), set.path));
  }
  RETURN_IF_ERROR(InRange("evaluation.seq_len", evaluation.seq_len, 2, kMaxSeqLen));
  if (evaluation.windows >= 0 && evaluation.windows <= kMaxSamples) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("evaluation.windows is ", evaluation.windows,
                                                 "; it must be 0 (all) to ", kMaxSamples));
}

absl::Status ValidateOutputs(const JobSpec& spec) {
  if (std::holds_alternative<EvaluateOnly>(spec.method)) {
    if (!spec.exports.empty()) {
      return absl::InvalidArgumentError(
          "an evaluation-only job exports nothing; leave exports empty");
    }
    if (!spec.evaluation.sets.empty() && spec.evaluation.original) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "an evaluation-only job needs at least one evaluation set, and must measure the original");
  }
  if (spec.exports.empty()) {
    return absl::InvalidArgumentError(
        "exports is empty; give at least one of dense, compressed-tensors");
  }
  const std::set<ExportFormat> formats(spec.exports.begin(), spec.exports.end());
  if (formats.size() == spec.exports.size()) return absl::OkStatus();
  return absl::InvalidArgumentError("exports names a format twice; name each once");
}

// The largest power of two up to `group_size` that divides every number of inputs.
int64_t Suggestion(int64_t group_size, const std::vector<LinearLayout>& linears) {
  const auto fits = [&](int64_t candidate) {
    return std::all_of(linears.begin(), linears.end(),
                       [&](const LinearLayout& l) { return l.in % candidate == 0; });
  };
  int64_t best = 1;
  while (best <= group_size / 2 && fits(2 * best)) best *= 2;
  return best;
}

absl::Status DoesNotDivide(const std::string& what, int64_t group_size, int64_t inputs,
                           const std::string& layer, int64_t suggestion) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", group_size, " does not divide the ", inputs, " inputs of ", layer,
                   "; choose a divisor such as ", suggestion, " or -1 for the whole row"));
}

absl::Status CheckGroups(const JobSpec& spec, const ModelLayout& layout, int64_t layer,
                         const LinearLayout& linear) {
  const std::string name = FullName(layout, layer, linear.name);
  const LayerSettings settings = SettingsOf(spec.grid, spec.overrides, name);
  const int64_t group_size = settings.grid.group_size;
  if (settings.skip || group_size == -1 || linear.in % group_size == 0) return absl::OkStatus();
  const LayerOverride* change = OverrideOf(spec.overrides, name);
  if (change != nullptr && change->group_size) {
    return DoesNotDivide(absl::StrCat("override \"", change->pattern, "\": group_size"), group_size,
                         linear.in, name, Suggestion(group_size, {linear}));
  }
  return DoesNotDivide("grid.group_size", group_size, linear.in,
                       absl::StrCat(layout.layer_prefix, "*.", linear.name),
                       Suggestion(group_size, layout.linears));
}

}  // namespace

absl::Status ValidateGrid(const GridSpec& grid) {
  constexpr int kBits[] = {2, 3, 4, 8};
  if (std::find(std::begin(kBits), std::end(kBits), grid.bits) == std::end(kBits)) {
    return absl::InvalidArgumentError(
        absl::StrCat("grid.bits is ", grid.bits, "; it must be 2, 3, 4 or 8"));
  }
  if (grid.group_size == -1 || grid.group_size > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("grid.group_size is ", grid.group_size,
                                                 "; it must be -1 (the whole row) or positive"));
}

absl::Status Validate(const JobSpec& spec) {
  RETURN_IF_ERROR(ValidateFolder("model.path", spec.model.path));
  RETURN_IF_ERROR(ValidateGrid(spec.grid));
  RETURN_IF_ERROR(ValidateMethod(spec));
  RETURN_IF_ERROR(ValidateOverrides(spec));
  if (NeedsCalibration(spec.method)) RETURN_IF_ERROR(ValidateCalibration(spec.calibration));
  RETURN_IF_ERROR(
      InRange("compute.threads_per_rank", spec.compute.threads_per_rank, 1, kMaxThreads));
  RETURN_IF_ERROR(InRange("compute.micro_batch", spec.compute.micro_batch, 1, kMaxMicroBatch));
  RETURN_IF_ERROR(InRange("workers", spec.workers, 0, kMaxWorkers));
  RETURN_IF_ERROR(InRange("priority", spec.priority, kLowestPriority, kHighestPriority));
  RETURN_IF_ERROR(ValidateEvaluation(spec.evaluation));
  return ValidateOutputs(spec);
}

absl::Status ValidateForModel(const JobSpec& spec, const ModelLayout& layout, int64_t num_layers) {
  if (std::holds_alternative<EvaluateOnly>(spec.method)) return absl::OkStatus();
  RETURN_IF_ERROR(ValidateOverridesForModel(spec, layout, num_layers));
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (const LinearLayout& linear : layout.linears) {
      RETURN_IF_ERROR(CheckGroups(spec, layout, layer, linear));
    }
  }
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr) return absl::OkStatus();
  return ValidateLearnedForModel(*learned, spec.grid, layout);
}

}  // namespace rondo
