// What the files of rondo_kernels_bench share.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/api/backend.h"

namespace rondo::kernels {

inline void SetRate(benchmark::State& state, const char* name, double per_iteration) {
  using benchmark::Counter;
  state.counters[name] =
      Counter(per_iteration, Counter::kIsIterationInvariantRate, Counter::OneK::kIs1000);
}

// Registers the operations of codebook.h and distill.h.
void RegisterCodebook(const HostBackend* backend);

}  // namespace rondo::kernels
