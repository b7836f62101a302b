#include "server/security/token_bucket.h"

#include <algorithm>

namespace rondo {

std::chrono::duration<double> TokenBucket::Take(Time now) {
  const std::chrono::duration<double> passed = std::max(now, filled_) - filled_;
  filled_ = std::max(now, filled_);
  tokens_ = std::min(burst_, tokens_ + rate_ * passed.count());
  if (tokens_ < 1) return std::chrono::duration<double>((1 - tokens_) / rate_);
  tokens_ -= 1;
  return std::chrono::duration<double>(0);
}

}  // namespace rondo
