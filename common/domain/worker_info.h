// A worker agent as the coordinator sees it. Pure value.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/ids.h"

namespace rondo {

enum class WorkerState { kIdle, kBusy, kLost };
std::string WorkerStateName(WorkerState state);  // "IDLE"

// What a rank on a CPU holds before it has read a weight: libtorch and its threads, without CUDA's
// libraries and with them. Measured (docs/results.md, "Memory").
inline constexpr int64_t kRankBytes = int64_t{200} << 20;
inline constexpr int64_t kRankBytesWithCuda = int64_t{480} << 20;

// One agent offers one slot: a GPU, or its CPU threads.
struct WorkerInfo {
  WorkerId id;
  std::string host;  // by which other ranks reach it
  std::string version;
  std::string device;        // "cpu", "cuda:0"
  int64_t memory_bytes = 0;  // of the device
  int cpus = 0;
  bool bf16 = false;  // products in bfloat16 run faster than in float32
  WorkerState state = WorkerState::kIdle;
  JobId job;               // while busy
  int64_t rank_bytes = 0;  // of memory_bytes, that every rank takes
};

}  // namespace rondo
