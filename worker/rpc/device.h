// What an agent says of the machine it runs on. Thread-safe functions.
#pragma once

#include <string>

#include "common/base/status.h"
#include "common/domain/worker_info.h"

namespace rondo {

// Fills in device, memory_bytes, cpus and bf16. `device` is "auto" (GPU `slot` modulo their number
// where there are any and this build has CUDA, else the CPU), "cpu" or "cuda:N"; INVALID_ARGUMENT
// for anything else and for a GPU that is not there.
absl::Status DescribeDevice(const std::string& device, int slot, WorkerInfo* worker);

// Whether products in bfloat16 run faster than in float32, from the text of /proc/cpuinfo. AMX
// makes them so; AVX512_BF16 alone does on AMD, where it doubles the rate, and not on Intel, where
// the dot product has half the ports of float32's (docs/results.md, "Kernels on the host").
bool HasFastBf16(const std::string& cpuinfo);

// The address that other ranks should use by default: loopback when the coordinator is reached
// over it, else this machine's name.
std::string DefaultAdvertiseHost(const std::string& coordinator);

// "<machine>-<pid>-<random>"
std::string DefaultWorkerId();

}  // namespace rondo
