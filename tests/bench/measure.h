// What the benchmarks of this folder measure with.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

namespace rondo {

// Seconds from some fixed moment.
inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds that this process's threads have computed so far: steadier than Now() on a busy machine.
inline double CpuNow() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The shortest of `repeats` calls, after one that warms up, in seconds.
template <typename F>
double BestOf(int repeats, const F& f) {
  double best = 1e30;
  for (int i = 0; i <= repeats; ++i) {
    const double start = Now();
    f();
    if (i > 0) best = std::min(best, Now() - start);
  }
  return best;
}

}  // namespace rondo
