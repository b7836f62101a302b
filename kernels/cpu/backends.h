// The backends of this folder; each needs what its name says of the processor.
#pragma once

#include "kernels/api/backend.h"

namespace rondo::kernels::cpu {

const HostBackend& Avx2();        // AVX2 and FMA
const HostBackend& Avx512();      // AVX-512 F, BW, VL, DQ and BMI2
const HostBackend& Avx512Bf16();  // the same and AVX512_BF16

PackSecondMomentFn PackSecondMomentBf16;
AccumulateSecondMomentFn AccumulateSecondMomentBf16;

}  // namespace rondo::kernels::cpu
