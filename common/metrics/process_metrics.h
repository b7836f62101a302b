// What every process tells of itself: process_* (the names that Prometheus' own clients use) and
// rondo_threads.
#pragma once

#include "common/metrics/metrics.h"

namespace rondo {

void AddProcessMetrics(Metrics* metrics);

}  // namespace rondo
