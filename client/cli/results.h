// What the summary and the report of a job both say. Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/domain/job.h"

namespace rondo {

struct Perplexities {
  std::optional<double> original, before_training, quantized;
};
std::map<std::string, Perplexities> PerplexitiesOf(const Job& job);  // by evaluation set

std::map<Phase, double> SlowestPhases(const Job& job);  // seconds of the slowest rank

double TrainedShare(const TrainingFinished& result);  // parameters a weight

// A sentence where hardening cost much; empty where it did not.
std::string HardeningWarning(const Job& job);

}  // namespace rondo
