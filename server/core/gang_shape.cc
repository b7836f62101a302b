#include "server/core/gang_shape.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

namespace rondo {
namespace {

struct Limits {
  int fewest_replicas = 1;
  int most_replicas = 1;
  int most_stages = 1;
  bool one_codebook = false;  // of the whole model
};

Limits LimitsOf(const JobSpec& spec, const ModelConfig& config) {
  Limits limits;
  limits.most_stages = static_cast<int>(config.num_layers);
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr) return limits;
  const TrainingSettings& training = learned->training;
  limits.fewest_replicas = std::max(1, training.replicas);
  limits.most_replicas =
      training.replicas > 0 ? training.replicas : static_cast<int>(training.batch);
  const auto* codebook = std::get_if<CodebookSettings>(&learned->parameters);
  limits.one_codebook = codebook != nullptr && codebook->scope == CodebookScope::kModel;
  if (limits.one_codebook) limits.most_stages = 1;
  return limits;
}

std::vector<GangShape> Shapes(const Limits& limits, int ranks) {
  std::vector<GangShape> shapes;
  for (int replicas = std::min(limits.most_replicas, ranks); replicas >= limits.fewest_replicas;
       --replicas) {
    if (ranks % replicas != 0 || ranks / replicas > limits.most_stages) continue;
    shapes.push_back({ranks / replicas, replicas});
  }
  return shapes;
}

absl::Status NoShape(const Limits& limits, const ModelConfig& config, int ranks) {
  if (limits.one_codebook) {
    return absl::UnimplementedError(
        absl::StrCat("codebook.scope model needs all decoder layers on one stage so far, and ",
                     ranks, " workers with at most ", limits.most_replicas,
                     " replicas would make more; give as many workers as training.replicas"));
  }
  const std::string found = absl::StrCat("workers is ", ranks, ", but the model has ",
                                         config.num_layers, " decoder layers");
  if (limits.most_replicas == 1) {
    return absl::InvalidArgumentError(absl::StrCat(found, "; give at most one worker a layer"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(found, " for stages, and at most ", limits.most_replicas,
                   " replicas; give a number of workers that is a product of the two"));
}

}  // namespace

absl::StatusOr<std::vector<GangShape>> ShapesOf(const JobSpec& spec, const ModelConfig& config,
                                                int ranks) {
  const Limits limits = LimitsOf(spec, config);
  std::vector<GangShape> shapes = Shapes(limits, ranks);
  if (shapes.empty()) return NoShape(limits, config, ranks);
  return shapes;
}

int RanksFor(const JobSpec& spec, const ModelConfig& config, int available) {
  if (spec.workers > 0) return spec.workers;
  const Limits limits = LimitsOf(spec, config);
  for (int ranks = available; ranks > limits.fewest_replicas; --ranks) {
    if (!Shapes(limits, ranks).empty()) return ranks;
  }
  return limits.fewest_replicas;
}

int FewestRanks(const JobSpec& spec) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  return learned == nullptr ? 1 : std::max(1, learned->training.replicas);
}

}  // namespace rondo
