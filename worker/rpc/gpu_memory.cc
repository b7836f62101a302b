#include "worker/rpc/gpu_memory.h"

#include <dlfcn.h>

#include <memory>

namespace rondo {
namespace {

// As nvml.h declares them.
struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
using NvmlInit = int (*)();
using NvmlGetHandle = int (*)(unsigned int, void**);
using NvmlGetMemory = int (*)(void*, NvmlMemory*);

template <typename F>
F Function(void* library, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}

}  // namespace

absl::StatusOr<int64_t> GpuMemoryBytes(int index) {
  const std::unique_ptr<void, int (*)(void*)> library(dlopen("libnvidia-ml.so.1", RTLD_NOW),
                                                      dlclose);
  if (library == nullptr) {
    return absl::UnavailableError("the NVIDIA driver's libnvidia-ml.so.1 cannot be loaded");
  }
  const auto init = Function<NvmlInit>(library.get(), "nvmlInit_v2");
  const auto get_handle = Function<NvmlGetHandle>(library.get(), "nvmlDeviceGetHandleByIndex_v2");
  const auto get_memory = Function<NvmlGetMemory>(library.get(), "nvmlDeviceGetMemoryInfo");
  const auto shutdown = Function<NvmlInit>(library.get(), "nvmlShutdown");
  if (!init || !get_handle || !get_memory || !shutdown || init() != 0) {
    return absl::UnavailableError("the NVIDIA driver does not answer");
  }
  void* handle = nullptr;
  NvmlMemory memory{};
  const bool known = get_handle(index, &handle) == 0 && get_memory(handle, &memory) == 0;
  shutdown();
  if (!known) {
    return absl::UnavailableError(absl::StrCat("the NVIDIA driver does not know GPU ", index));
  }
  return static_cast<int64_t>(memory.total);
}

}  // namespace rondo
