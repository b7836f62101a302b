// What rondo-gang-rank computes, so that tests know the result without running it.
#pragma once

#include <cstdint>

#include "common/base/random.h"

namespace rondo {

inline constexpr int kGangUnits = 8;  // of work in a step, spread over the ranks
inline constexpr char kGangArtifact[] = "model.safetensors";
inline constexpr int64_t kGangBulk = 8 << 20;  // bytes of a large one: more than a window of HTTP/2

inline uint64_t GangPart(uint64_t state, int unit) {
  return SplitMix64(state * kGangUnits + static_cast<uint64_t>(unit)).Next();
}

// The contents of the artifact, as a number.
inline uint64_t GangResult(int64_t steps) {
  uint64_t state = 0;
  for (int64_t step = 0; step < steps; ++step) {
    uint64_t sum = 0;
    for (int unit = 0; unit < kGangUnits; ++unit) sum += GangPart(state, unit);
    state = sum;
  }
  return state;
}

}  // namespace rondo
