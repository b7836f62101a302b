// What the summary and the report of a job both say. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/domain/job.h"

namespace rondo {

struct Perplexities {
  std::optional<double> original, before_training, quantized;
};
// By evaluation set, in the order in which they were measured.
std::vector<std::pair<std::string, Perplexities>> PerplexitiesOf(const Job& job);

std::map<Phase, double> SlowestPhases(const Job& job);  // seconds of the slowest rank

double TrainedShare(const TrainingFinished& result);  // parameters a weight

// A sentence where hardening cost much; empty where it did not.
std::string HardeningWarning(const Job& job);

}  // namespace rondo
