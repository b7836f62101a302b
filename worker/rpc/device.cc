#include "worker/rpc/device.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/base/ids.h"
#include "common/io/file.h"
#include "worker/rpc/gpu_memory.h"

namespace rondo {
namespace {

#ifdef RONDO_WITH_CUDA
constexpr int64_t kRankBytesHere = kRankBytesWithCuda;
#else
constexpr int64_t kRankBytesHere = kRankBytes;
#endif

#ifdef RONDO_WITH_CUDA
constexpr bool kBuiltWithCuda = true;
#else
constexpr bool kBuiltWithCuda = false;
#endif

// The machine's memory, or what the control group may use where that is less.
int64_t HostMemoryBytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  int64_t limit = 0;
  std::ifstream cgroup("/sys/fs/cgroup/memory.max");  // "max" when there is no limit
  if (cgroup >> limit && limit > 0 && limit < machine) return limit;
  return machine;
}

bool CpuHasFastBf16() {
  std::ifstream cpuinfo("/proc/cpuinfo");  // its size reads as 0
  return HasFastBf16({std::istreambuf_iterator<char>(cpuinfo), std::istreambuf_iterator<char>()});
}

// That this program can use.
int GpuCount() {
  if (!kBuiltWithCuda) return 0;
  int count = 0;
  while (FileExists(absl::StrCat("/dev/nvidia", count))) ++count;
  return count;
}

absl::Status DescribeGpu(int index, WorkerInfo* worker) {
  worker->device = absl::StrCat("cuda:", index);
  if (!kBuiltWithCuda) {
    return absl::InvalidArgumentError(
        absl::StrCat("--device is ", worker->device, ", but this build has no CUDA; use cpu"));
  }
  ASSIGN_OR_RETURN(worker->memory_bytes, GpuMemoryBytes(index));
  worker->bf16 = true;
  return absl::OkStatus();
}

std::string MachineName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace

absl::Status DescribeDevice(const std::string& device, int slot, WorkerInfo* worker) {
  worker->cpus = static_cast<int>(std::thread::hardware_concurrency());
  absl::string_view number = device;
  int index = 0;
  if (absl::ConsumePrefix(&number, "cuda:") && absl::SimpleAtoi(number, &index) && index >= 0) {
    return DescribeGpu(index, worker);
  }
  const int gpus = GpuCount();
  if (device == "auto" && gpus > 0) return DescribeGpu(slot % gpus, worker);
  if (device != "auto" && device != "cpu") {
    return absl::InvalidArgumentError(
        absl::StrCat("--device is \"", device, "\"; use auto, cpu or cuda:N"));
  }
  worker->device = "cpu";
  worker->memory_bytes = HostMemoryBytes();
  worker->rank_bytes = kRankBytesHere;
  worker->bf16 = CpuHasFastBf16();
  return absl::OkStatus();
}

bool HasFastBf16(const std::string& cpuinfo) {
  if (absl::StrContains(cpuinfo, " amx_bf16")) return true;
  return absl::StrContains(cpuinfo, "AuthenticAMD") && absl::StrContains(cpuinfo, " avx512_bf16");
}

std::string DefaultAdvertiseHost(const std::string& coordinator) {
  const bool loopback = absl::StartsWith(coordinator, "127.") ||
                        absl::StartsWith(coordinator, "localhost:") ||
                        absl::StartsWith(coordinator, "[::1]:");
  return loopback ? "127.0.0.1" : MachineName();
}

std::string DefaultWorkerId() {
  return absl::StrCat(MachineName(), "-", getpid(), "-", RandomHexId().substr(0, 8));
}

}  // namespace rondo
