#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/backends.h"
#include "kernels/cpu/codebook-inl.h"
#include "kernels/cpu/distill-inl.h"
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/gptq_block-inl.h"
#include "kernels/cpu/nearest-inl.h"
#include "kernels/cpu/pack-inl.h"
#include "kernels/cpu/quantize-inl.h"
#include "kernels/cpu/rounding_step-inl.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::cpu {

const HostBackend& Avx2() {
  static constexpr HostBackend kBackend = {
      .name = "avx2",
      .fit_grid = FitGrid<Avx2Ops>,
      .quantize = Quantize<Avx2Ops>,
      .dequantize = Dequantize<Avx2Ops>,
      .gptq_block = RunGptqBlock<Avx2Ops>,
      .pack_rows = PackRows<Avx2Ops>,
      .unpack_rows = UnpackRows<Avx2Ops>,
      .pack_second_moment = reference::PackSecondMoment,
      .accumulate_second_moment = reference::AccumulateSecondMoment,
      .rms_norm = RmsNorm<Avx2Ops, float>,
      .rms_norm_bf16 = RmsNorm<Avx2Ops, uint16_t>,
      .silu_mul = SiluMul<Avx2Ops, float>,
      .silu_mul_bf16 = SiluMul<Avx2Ops, uint16_t>,
      .rms_norm_backward = RmsNormBackward<Avx2Ops, float>,
      .rms_norm_backward_bf16 = RmsNormBackward<Avx2Ops, uint16_t>,
      .silu_mul_backward = SiluMulBackward<Avx2Ops, float>,
      .silu_mul_backward_bf16 = SiluMulBackward<Avx2Ops, uint16_t>,
      .rotate = Rotate<Avx2Ops, float>,
      .rotate_bf16 = Rotate<Avx2Ops, uint16_t>,
      .dequantize_codebook = DequantizeCodebook<Avx2Ops, float>,
      .dequantize_codebook_bf16 = DequantizeCodebook<Avx2Ops, uint16_t>,
      .codebook_gradient = CodebookGradient<Avx2Ops, float>,
      .codebook_gradient_bf16 = CodebookGradient<Avx2Ops, uint16_t>,
      .nearest_l2 = NearestBy<Avx2Ops, L2>,
      .nearest_linf = NearestBy<Avx2Ops, Linf>,
      .distill = Distill<Avx2Ops, float>,
      .distill_bf16 = Distill<Avx2Ops, uint16_t>,
      .rounding_gradient = FindRoundingGradient<Avx2Ops>,
      .adam = RunAdam<Avx2Ops>,
  };
  return kBackend;
}

}  // namespace rondo::kernels::cpu
