#include "kernels/cpu/simd_avx512.h"

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

namespace {

constexpr HostBackend kAvx512 = {
    .name = "avx512",
    .fit_grid = FitGrid<Avx512Ops>,
    .quantize = Quantize<Avx512Ops>,
    .dequantize = Dequantize<Avx512Ops>,
    .gptq_block = RunGptqBlock<Avx512Ops>,
    .pack_rows = PackRows<Avx512Ops>,
    .unpack_rows = UnpackRows<Avx512Ops>,
    .pack_second_moment = reference::PackSecondMoment,
    .accumulate_second_moment = reference::AccumulateSecondMoment,
    .rms_norm = RmsNorm<Avx512Ops, float>,
    .rms_norm_bf16 = RmsNorm<Avx512Ops, uint16_t>,
    .silu_mul = SiluMul<Avx512Ops, float>,
    .silu_mul_bf16 = SiluMul<Avx512Ops, uint16_t>,
    .rms_norm_backward = RmsNormBackward<Avx512Ops, float>,
    .rms_norm_backward_bf16 = RmsNormBackward<Avx512Ops, uint16_t>,
    .silu_mul_backward = SiluMulBackward<Avx512Ops, float>,
    .silu_mul_backward_bf16 = SiluMulBackward<Avx512Ops, uint16_t>,
    .rotate = Rotate<Avx512Ops, float>,
    .rotate_bf16 = Rotate<Avx512Ops, uint16_t>,
    .dequantize_codebook = DequantizeCodebook<Avx512Ops, float>,
    .dequantize_codebook_bf16 = DequantizeCodebook<Avx512Ops, uint16_t>,
    .codebook_gradient = CodebookGradient<Avx512Ops, float>,
    .codebook_gradient_bf16 = CodebookGradient<Avx512Ops, uint16_t>,
    .nearest_l2 = NearestBy<Avx512Ops, L2>,
    .nearest_linf = NearestBy<Avx512Ops, Linf>,
    .distill = Distill<Avx512Ops, float>,
    .distill_bf16 = Distill<Avx512Ops, uint16_t>,
    .rounding_gradient = FindRoundingGradient<Avx512Ops>,
    .adam = RunAdam<Avx512Ops>,
};

constexpr HostBackend WithBf16Dots(HostBackend backend) {
  backend.name = "avx512_bf16";
  backend.pack_second_moment = PackSecondMomentBf16;
  backend.accumulate_second_moment = AccumulateSecondMomentBf16;
  return backend;
}

constexpr HostBackend kAvx512Bf16 = WithBf16Dots(kAvx512);

}  // namespace

const HostBackend& Avx512() { return kAvx512; }

const HostBackend& Avx512Bf16() { return kAvx512Bf16; }

}  // namespace rondo::kernels::cpu
