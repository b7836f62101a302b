// The order in which jobs that wait are given workers. Pure functions.
//
// A job counts with its priority and one more for every kAging since it was submitted, up to
// kHighestPriority: so after (kHighestPriority - priority) x kAging no other priority goes before
// it. Among equals comes first the job whose owner has the fewest workers at work, then the older.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "common/domain/job.h"
#include "server/core/job_table.h"

namespace rondo {

inline constexpr absl::Duration kAging = absl::Minutes(10);

// For so long after it was submitted, jobs behind one that waits for more workers than are idle may
// take those that are; then they are kept for it.
inline constexpr absl::Duration kBackfill = absl::Minutes(10);

// Of what was submitted in the future, as after the clock was set back, 0.
absl::Duration Waited(const Job& job, absl::Time now);

int EffectivePriority(const Job& job, absl::Time now);

// The jobs of `open` (oldest first) that wait for workers and may start now, in order.
std::vector<JobRecord*> InOrder(const std::vector<JobRecord*>& open, absl::Time now);

}  // namespace rondo
