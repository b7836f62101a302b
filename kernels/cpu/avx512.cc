#include "kernels/cpu/backends.h"
#include "kernels/cpu/gptq_block-inl.h"
#include "kernels/cpu/pack-inl.h"
#include "kernels/cpu/quantize-inl.h"
#include "kernels/cpu/simd_avx512.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::cpu {

const HostBackend& Avx512() {
  static constexpr HostBackend kBackend = {
      "avx512",
      FitGrid<Avx512Ops>,
      Quantize<Avx512Ops>,
      Dequantize<Avx512Ops>,
      RunGptqBlock<Avx512Ops>,
      PackRows<Avx512Ops>,
      UnpackRows<Avx512Ops>,
      reference::PackSecondMoment,
      reference::AccumulateSecondMoment,
  };
  return kBackend;
}

const HostBackend& Avx512Bf16() {
  static constexpr HostBackend kBackend = {
      "avx512_bf16",         FitGrid<Avx512Ops>,      Quantize<Avx512Ops>,
      Dequantize<Avx512Ops>, RunGptqBlock<Avx512Ops>, PackRows<Avx512Ops>,
      UnpackRows<Avx512Ops>, PackSecondMomentBf16,    AccumulateSecondMomentBf16,
  };
  return kBackend;
}

}  // namespace rondo::kernels::cpu
