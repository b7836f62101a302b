// What the coordinator holds, for whoever watches it: jobs and workers by state, the queue.
#pragma once

#include "common/metrics/metrics.h"
#include "server/core/coordinator.h"

namespace rondo {

// `coordinator` is asked whenever the metrics are read, and must live until then.
void AddCoordinatorMetrics(Coordinator* coordinator, Metrics* metrics);

}  // namespace rondo
