// Memory of a GPU as its driver states it, without linking CUDA: NVML is loaded when it is needed.
#pragma once

#include <cstdint>

#include "common/base/status.h"

namespace rondo {

// Bytes of the GPU at `index` in NVML's order (PCI bus; CUDA's own order is the same for like
// GPUs). UNAVAILABLE when the driver cannot say.
absl::StatusOr<int64_t> GpuMemoryBytes(int index);

}  // namespace rondo
