// The plain loops by name, for the backends that have nothing better for an operation.
#pragma once

#include "kernels/api/backend.h"

namespace rondo::kernels::reference {

FitGridFn FitGrid;
QuantizeFn Quantize;
DequantizeFn Dequantize;
GptqBlockFn RunGptqBlock;
PackRowsFn PackRows;
UnpackRowsFn UnpackRows;
PackSecondMomentFn PackSecondMoment;
AccumulateSecondMomentFn AccumulateSecondMoment;

}  // namespace rondo::kernels::reference
