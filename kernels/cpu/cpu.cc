#include <vector>

#include "kernels/cpu/backends.h"

namespace rondo::kernels {
namespace {

bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

std::vector<const HostBackend*> Runnable() {
  std::vector<const HostBackend*> backends = {&Reference()};
  if (HasAvx2()) backends.push_back(&cpu::Avx2());
  if (HasAvx512()) backends.push_back(&cpu::Avx512());
  if (SupportsSecondMomentBf16()) backends.push_back(&cpu::Avx512Bf16());
  return backends;
}

}  // namespace

bool SupportsSecondMomentBf16() { return HasAvx512() && __builtin_cpu_supports("avx512bf16"); }

std::span<const HostBackend* const> HostBackends() {
  static const std::vector<const HostBackend*> kBackends = Runnable();
  return kBackends;
}

const HostBackend& Cpu() { return *HostBackends().back(); }

}  // namespace rondo::kernels
