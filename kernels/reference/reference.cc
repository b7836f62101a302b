#include "kernels/reference/reference.h"

namespace rondo::kernels {

const HostBackend& Reference() {
  static constexpr HostBackend kReference = {
      .name = "reference",
      .fit_grid = reference::FitGrid,
      .quantize = reference::Quantize,
      .dequantize = reference::Dequantize,
      .gptq_block = reference::RunGptqBlock,
      .pack_rows = reference::PackRows,
      .unpack_rows = reference::UnpackRows,
      .pack_second_moment = reference::PackSecondMoment,
      .accumulate_second_moment = reference::AccumulateSecondMoment,
      .rms_norm = reference::RmsNorm<float>,
      .rms_norm_bf16 = reference::RmsNorm<uint16_t>,
      .silu_mul = reference::SiluMul<float>,
      .silu_mul_bf16 = reference::SiluMul<uint16_t>,
      .rms_norm_backward = reference::RmsNormBackward<float>,
      .rms_norm_backward_bf16 = reference::RmsNormBackward<uint16_t>,
      .silu_mul_backward = reference::SiluMulBackward<float>,
      .silu_mul_backward_bf16 = reference::SiluMulBackward<uint16_t>,
      .rotate = reference::Rotate<float>,
      .rotate_bf16 = reference::Rotate<uint16_t>,
      .dequantize_codebook = reference::DequantizeCodebook<float>,
      .dequantize_codebook_bf16 = reference::DequantizeCodebook<uint16_t>,
      .codebook_gradient = reference::CodebookGradient<float>,
      .codebook_gradient_bf16 = reference::CodebookGradient<uint16_t>,
      .nearest_l2 = reference::NearestL2,
      .nearest_linf = reference::NearestLinf,
      .distill = reference::Distill<float>,
      .distill_bf16 = reference::Distill<uint16_t>,
      .rounding_gradient = reference::FindRoundingGradient,
      .adam = reference::RunAdam,
  };
  return kReference;
}

}  // namespace rondo::kernels
