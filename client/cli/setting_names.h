// How settings are called on the command line and in what it prints. Pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/domain/job_spec.h"

namespace rondo {

template <typename E>
using NameTable = std::vector<std::pair<std::string, E>>;

const NameTable<DType>& DTypeNames();
const NameTable<DType>& TrainingDTypeNames();
const NameTable<ActOrder>& ActOrderNames();
const NameTable<Propagate>& PropagateNames();
const NameTable<RoundingInit>& InitNames();
const NameTable<RoundingStart>& StartNames();
const NameTable<LearningRateSchedule>& ScheduleNames();
const NameTable<RoundingForward>& ForwardNames();
const NameTable<Objective>& ObjectiveNames();
const NameTable<TrainingLoss>& LossNames();
const NameTable<Clustering>& ClusteringNames();
const NameTable<CodebookScope>& ScopeNames();

// REQUIRES: `value` is in the table.
template <typename E>
std::string NameOf(const NameTable<E>& table, E value) {
  for (const auto& [name, named] : table) {
    if (named == value) return name;
  }
  return "?";
}

}  // namespace rondo
