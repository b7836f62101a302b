// How often something may happen: `rate` times a second on average, `burst` times at once. Not
// thread-safe.
#pragma once

#include <chrono>

namespace rondo {

class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Both positive. Starts full.
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // Zero when it may happen now, and counts it; else how long until it may.
  std::chrono::duration<double> Take(Time now);

 private:
  double rate_;
  double burst_;
  double tokens_;
  Time filled_{};
};

}  // namespace rondo
