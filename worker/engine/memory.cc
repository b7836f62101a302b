#include "worker/engine/memory.h"

#include <jemalloc/jemalloc.h>
#include <sys/resource.h>

#include <string>

#ifdef RONDO_WITH_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

// Read by jemalloc when the process starts. Big blocks are kept like small ones, until
// GiveBackFreedMemory(); and any free range may be cut for any block, because otherwise the graphs
// of a training step, freed into one range, would serve nothing of the next step.
extern "C" {
const char* malloc_conf = "oversize_threshold:0,dirty_decay_ms:-1,lg_extent_max_active_fit:40";
}

namespace rondo {

void GiveBackFreedMemory() {
  const std::string purge = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0);
}

int64_t PeakMemory(c10::Device device) {
#ifdef RONDO_WITH_CUDA
  if (device.is_cuda()) {
    return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()).reserved_bytes[0].peak;
  }
#endif
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace rondo
