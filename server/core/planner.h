// Spreads a job over a gang and says what that will take. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/plan.h"
#include "common/domain/worker_info.h"
#include "server/core/admission.h"
#include "server/core/gang_shape.h"

namespace rondo {

// What kAuto becomes: bfloat16 where every worker is a GPU that multiplies faster in it and the
// method only collects statistics, float32 otherwise.
DType ResolveDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers);

// `layers` over `stages` contiguous ranges whose lengths differ by at most one, the longer ones in
// the middle: the first and the last stage also embed and evaluate. REQUIRES: 1 <= stages <=
// layers.
std::vector<StagePlan> SplitLayers(int64_t layers, int stages);

// What kAuto becomes: bfloat16 where every worker multiplies faster in it.
DType ResolveTrainingDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers);

// A worker that does not know its memory has room.
bool HasRoom(const WorkerInfo& worker, int64_t bytes);
// A sentence for each of `workers` (by rank) that has no room for its stage.
std::vector<std::string> RoomNotes(const std::vector<WorkerInfo>& workers, const Plan& plan);

// Takes the first of `shapes` for which every stage fits its worker's memory, else the last.
// `workers`: the gang by rank, or what is known of it; fewer than ranks when not all are there.
// REQUIRES: `shapes` are ShapesOf() a number of ranks, not empty; CheckSpec(spec) gave `facts`.
Plan MakePlan(const JobSpec& spec, const ModelFacts& facts, const std::vector<GangShape>& shapes,
              const std::vector<WorkerInfo>& workers);
// Stages with their memory, replicas and dtypes of the same; quick.
Plan PlanStages(const JobSpec& spec, const ModelFacts& facts, const std::vector<GangShape>& shapes,
                const std::vector<WorkerInfo>& workers);

}  // namespace rondo
