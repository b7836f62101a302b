#include "client/cli/results.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace rondo {

std::vector<std::pair<std::string, Perplexities>> PerplexitiesOf(const Job& job) {
  std::vector<std::pair<std::string, Perplexities>> sets;
  for (const Evaluated& evaluated : job.evaluations) {
    auto set = std::find_if(sets.begin(), sets.end(),
                            [&](const auto& known) { return known.first == evaluated.set; });
    if (set == sets.end()) set = sets.insert(sets.end(), {evaluated.set, {}});
    Perplexities& values = set->second;
    auto& value = !evaluated.quantized        ? values.original
                  : evaluated.before_training ? values.before_training
                                              : values.quantized;
    value = evaluated.perplexity;
  }
  return sets;
}

std::map<Phase, double> SlowestPhases(const Job& job) {
  // A rank can go through a phase twice: the original is measured, then the quantized model.
  std::map<std::pair<Phase, int>, double> of_ranks;
  for (const PhaseFinished& phase : job.phases) {
    of_ranks[{phase.phase, phase.rank}] += phase.seconds;
  }
  std::map<Phase, double> slowest;
  for (const auto& [phase_and_rank, seconds] : of_ranks) {
    double& so_far = slowest[phase_and_rank.first];
    so_far = std::max(so_far, seconds);
  }
  return slowest;
}

double TrainedShare(const TrainingFinished& result) {
  return static_cast<double>(result.parameters) /
         static_cast<double>(std::max<int64_t>(result.weights, 1));
}

std::string HardeningWarning(const Job& job) {
  if (!job.training_result.has_value()) return "";
  const double soft = job.training_result->soft_divergence;
  const double hard = job.training_result->hard_divergence;
  if (hard <= 1.5 * soft + 0.05) return "";
  return absl::StrFormat(
      "the hardened model is much worse than the soft one (divergence %.4g a token after %.4g); "
      "train longer, or let it end with --forward straight-through",
      hard, soft);
}

}  // namespace rondo
