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

// Calls run(state, args...). clang's analyzer takes the library's own memory for a leak.
template <typename Run, typename... Args>
void Register(const std::string& name, Run run, Args... args) {
#ifndef __clang_analyzer__
  benchmark::RegisterBenchmark(name.c_str(), run, args...);
#endif
}

// Registers the operations of codebook.h and distill.h.
void RegisterCodebook(const HostBackend* backend);

}  // namespace rondo::kernels
