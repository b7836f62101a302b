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

// The address that other ranks should use by default: loopback when the coordinator is reached
// over it, else this machine's name.
std::string DefaultAdvertiseHost(const std::string& coordinator);

// "<machine>-<pid>-<random>"
std::string DefaultWorkerId();

}  // namespace rondo
