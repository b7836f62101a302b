#include "common/domain/validate_learned.h"

#include <algorithm>
#include <variant>

#include "common/domain/ranges.h"

namespace rondo {
namespace {

// Bounds far above any sensible job that keep sizes computed from a spec within int64.
constexpr int64_t kMaxSteps = 10'000'000;
constexpr int64_t kMaxBatch = 1 << 12;
constexpr int64_t kMaxTopK = 1 << 16;
constexpr int64_t kMaxDim = 16;         // what the kernels take (kernels/api/codebook.h)
constexpr int64_t kMaxCodes = 1 << 16;  // codes are 16 bits
constexpr int64_t kMaxIterations = 10'000;
constexpr int64_t kMaxRank = 1 << 12;
constexpr int kMaxReplicas = 1024;

struct ValidateParameters {
  const GridSpec& grid;

  absl::Status operator()(const CodebookSettings& codebook) const {
    RETURN_IF_ERROR(InRange("codebook.dim", codebook.dim, 1, kMaxDim));
    RETURN_IF_ERROR(InRange("codebook.codes", codebook.codes, 1, kMaxCodes));
    RETURN_IF_ERROR(InRange("codebook.iterations", codebook.iterations, 1, kMaxIterations));
    RETURN_IF_ERROR(IsNotNegative("codebook.tolerance", codebook.tolerance));
    RETURN_IF_ERROR(IsPositiveShare("codebook.max_share", codebook.max_share));
    if (grid.group_size == -1 || grid.group_size % codebook.dim == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "codebook.dim ", codebook.dim, " does not divide grid.group_size ", grid.group_size,
        "; choose a divisor such as ", Divisor(grid.group_size, codebook.dim)));
  }
  absl::Status operator()(const DenseSettings&) const { return absl::OkStatus(); }
  absl::Status operator()(const LowRankSettings& low_rank) const {
    return InRange("low_rank.rank", low_rank.rank, 1, kMaxRank);
  }

  // The largest divisor of `number` that is at most `limit`.
  static int64_t Divisor(int64_t number, int64_t limit) {
    int64_t divisor = limit;
    while (number % divisor != 0) --divisor;
    return divisor;
  }
};

absl::Status ValidateNumbers(const TrainingSettings& training) {
  RETURN_IF_ERROR(InRange("training.steps", training.steps, 1, kMaxSteps));
  RETURN_IF_ERROR(InRange("training.batch", training.batch, 1, kMaxBatch));
  RETURN_IF_ERROR(IsShare("training.straight_through_share", training.straight_through_share));
  RETURN_IF_ERROR(IsPositive("training.temperature", training.temperature));
  RETURN_IF_ERROR(InRange("training.top_k", training.top_k, 0, kMaxTopK));
  RETURN_IF_ERROR(IsPositive("training.learning_rate", training.learning_rate));
  RETURN_IF_ERROR(IsShare("training.warmup", training.warmup));
  RETURN_IF_ERROR(IsNotNegative("training.round_weight", training.round_weight));
  RETURN_IF_ERROR(IsPositive("training.beta_start", training.beta_start));
  RETURN_IF_ERROR(IsPositive("training.beta_end", training.beta_end));
  RETURN_IF_ERROR(IsShare("training.beta_hold", training.beta_hold));
  RETURN_IF_ERROR(InRange("training.checkpoint_every", training.checkpoint_every, 0, kMaxSteps));
  return InRange("training.replicas", training.replicas, 0, kMaxReplicas);
}

// Settings that are each right but contradict one another.
absl::Status ValidateTogether(const TrainingSettings& training, int workers) {
  if (training.objective == Objective::kBlock && training.loss == TrainingLoss::kLanguageModel) {
    return absl::InvalidArgumentError(
        "training.loss lm is of the whole model, which training.objective block never runs; use "
        "loss kd, or objective e2e or block+e2e");
  }
  const bool distils =
      training.objective != Objective::kBlock && training.loss == TrainingLoss::kDistillation;
  if (!training.teacher.path.empty() && !distils) {
    return absl::InvalidArgumentError(
        "training.teacher is given, but only loss kd with objective e2e or block+e2e reads it; "
        "leave it empty");
  }
  if (training.dtype == DType::kFloat16) {  // gradients would need a loss scale
    return absl::InvalidArgumentError(
        "training.dtype is float16; it must be auto, float32 or bfloat16");
  }
  if (training.replicas > training.batch) {
    return absl::InvalidArgumentError(absl::StrCat("training.replicas is ", training.replicas,
                                                   "; it must be at most training.batch, ",
                                                   training.batch));
  }
  if (training.replicas > 0 && workers % training.replicas != 0) {
    return absl::InvalidArgumentError(absl::StrCat("workers is ", workers,
                                                   "; it must be a multiple of training.replicas, ",
                                                   training.replicas, ", or 0 to be planned"));
  }
  return absl::OkStatus();
}

int64_t Weights(const LinearLayout& linear) { return linear.out * linear.in; }

absl::Status CheckCodes(const CodebookSettings& codebook, const ModelLayout& layout) {
  // One codebook for the whole model has more blocks than can be told from a layer.
  if (codebook.scope == CodebookScope::kModel) return absl::OkStatus();
  const bool per_layer = codebook.scope == CodebookScope::kLayer;
  const LinearLayout& largest = *std::max_element(
      layout.linears.begin(), layout.linears.end(),
      [](const LinearLayout& a, const LinearLayout& b) { return Weights(a) < Weights(b); });
  const int64_t weights = per_layer ? layout.LinearWeightsPerLayer() : Weights(largest);
  const int64_t blocks = weights / codebook.dim;
  if (codebook.codes <= blocks) return absl::OkStatus();
  const std::string where = per_layer ? "a decoder layer"
                                      : absl::StrCat("the largest linear layer, ",
                                                     layout.layer_prefix, "*.", largest.name);
  return absl::InvalidArgumentError(
      absl::StrCat("codebook.codes is ", codebook.codes, ", more than the ", blocks, " blocks of ",
                   codebook.dim, " weights of ", where, "; choose at most ", blocks));
}

}  // namespace

absl::Status ValidateLearned(const LearnedRoundingSettings& learned, const JobSpec& spec) {
  RETURN_IF_ERROR(std::visit(ValidateParameters{spec.grid}, learned.parameters));
  RETURN_IF_ERROR(ValidateNumbers(learned.training));
  return ValidateTogether(learned.training, spec.workers);
}

absl::Status ValidateLearnedForModel(const LearnedRoundingSettings& learned, const GridSpec& grid,
                                     const ModelLayout& layout) {
  const auto* codebook = std::get_if<CodebookSettings>(&learned.parameters);
  if (codebook == nullptr) return absl::OkStatus();
  const auto fits = [&](int64_t dim) {
    return (grid.group_size == -1 || grid.group_size % dim == 0) &&
           std::all_of(layout.linears.begin(), layout.linears.end(),
                       [dim](const LinearLayout& linear) { return linear.in % dim == 0; });
  };
  for (const LinearLayout& linear : layout.linears) {
    if (linear.in % codebook->dim == 0) continue;
    int64_t suggestion = codebook->dim;
    while (!fits(suggestion)) --suggestion;
    return absl::InvalidArgumentError(absl::StrCat(
        "codebook.dim ", codebook->dim, " does not divide the ", linear.in, " inputs of ",
        layout.layer_prefix, "*.", linear.name, "; choose a divisor such as ", suggestion));
  }
  return CheckCodes(*codebook, layout);
}

}  // namespace rondo
