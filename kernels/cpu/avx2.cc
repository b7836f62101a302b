#include "kernels/cpu/backends.h"
#include "kernels/cpu/gptq_block-inl.h"
#include "kernels/cpu/pack-inl.h"
#include "kernels/cpu/quantize-inl.h"
#include "kernels/cpu/simd_avx2.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::cpu {

const HostBackend& Avx2() {
  static constexpr HostBackend kBackend = {
      "avx2",
      FitGrid<Avx2Ops>,
      Quantize<Avx2Ops>,
      Dequantize<Avx2Ops>,
      RunGptqBlock<Avx2Ops>,
      PackRows<Avx2Ops>,
      UnpackRows<Avx2Ops>,
      reference::PackSecondMoment,
      reference::AccumulateSecondMoment,
  };
  return kBackend;
}

}  // namespace rondo::kernels::cpu
