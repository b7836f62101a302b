// A JobStore that counts what it stores: jobs that were submitted, repeated and ended, gangs that
// were lost, and the time that writing took. What is counted is on the disk. Thread-safe.
#pragma once

#include <memory>

#include "common/metrics/metrics.h"
#include "server/store/job_store.h"

namespace rondo {

// `metrics` must outlive the store.
std::unique_ptr<JobStore> MeterJobStore(std::unique_ptr<JobStore> store, Metrics* metrics);

}  // namespace rondo
