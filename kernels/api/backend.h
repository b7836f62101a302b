// The operations of one backend for host memory. reference is plain loops that say what each
// operation means; cpu picks AVX2 or AVX-512 code at run time and is what runs. Both are tested and
// timed by one case list (kernels/testing/cases.h). Device memory: kernels/api/cuda.h.
#pragma once

#include <span>
#include <string_view>

#include "kernels/api/codebook.h"
#include "kernels/api/distill.h"
#include "kernels/api/elementwise.h"
#include "kernels/api/gptq_block.h"
#include "kernels/api/pack.h"
#include "kernels/api/quantize.h"
#include "kernels/api/rounding_step.h"
#include "kernels/api/second_moment.h"

namespace rondo::kernels {

struct HostBackend {
  std::string_view name;  // "reference", "avx2", "avx512", "avx512_bf16"
  FitGridFn* fit_grid;
  QuantizeFn* quantize;
  DequantizeFn* dequantize;
  GptqBlockFn* gptq_block;
  PackRowsFn* pack_rows;
  UnpackRowsFn* unpack_rows;
  PackSecondMomentFn* pack_second_moment;
  AccumulateSecondMomentFn* accumulate_second_moment;
  RmsNormFn<float>* rms_norm;
  RmsNormFn<uint16_t>* rms_norm_bf16;
  SiluMulFn<float>* silu_mul;
  SiluMulFn<uint16_t>* silu_mul_bf16;
  RmsNormBackwardFn<float>* rms_norm_backward;
  RmsNormBackwardFn<uint16_t>* rms_norm_backward_bf16;
  SiluMulBackwardFn<float>* silu_mul_backward;
  SiluMulBackwardFn<uint16_t>* silu_mul_backward_bf16;
  RotateFn<float>* rotate;
  RotateFn<uint16_t>* rotate_bf16;
  DequantizeCodebookFn<float>* dequantize_codebook;
  DequantizeCodebookFn<uint16_t>* dequantize_codebook_bf16;
  CodebookGradientFn<float>* codebook_gradient;
  CodebookGradientFn<uint16_t>* codebook_gradient_bf16;
  NearestL2Fn* nearest_l2;
  NearestLinfFn* nearest_linf;
  DistillFn<float>* distill;
  DistillFn<uint16_t>* distill_bf16;
  RoundingGradientFn* rounding_gradient;
  AdamFn* adam;
};

const HostBackend& Reference();
// The best of those that this processor can run. Never null members.
const HostBackend& Cpu();
// All that this processor can run, the reference first and Cpu() last.
std::span<const HostBackend* const> HostBackends();

}  // namespace rondo::kernels
