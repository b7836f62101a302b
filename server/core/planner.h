// Spreads a job over a gang and says what that will take. Pure functions.
#pragma once

#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/plan.h"
#include "common/domain/worker_info.h"
#include "server/core/admission.h"

namespace rondo {

// What kAuto becomes: bfloat16 where every worker is a GPU that multiplies faster in it and the
// method only collects statistics, float32 otherwise.
DType ResolveDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers);

// `layers` over `stages` contiguous ranges whose lengths differ by at most one, the longer ones in
// the middle: the first and the last stage also embed and evaluate. REQUIRES: 1 <= stages <=
// layers.
std::vector<StagePlan> SplitLayers(int64_t layers, int stages);

// Bytes of all weight files of one format, as the exporter writes them, headers aside.
int64_t ExportBytes(const ModelFacts& facts, const GridSpec& grid, ExportFormat format);

// `workers`: the gang by rank, or what is known of it; fewer than `stages` when not all are there.
// REQUIRES: 1 <= stages <= decoder layers; CheckSpec(spec) gave `facts`.
Plan MakePlan(const JobSpec& spec, const ModelFacts& facts, int stages,
              const std::vector<WorkerInfo>& workers);

}  // namespace rondo
