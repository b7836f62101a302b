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

// T: float or uint16_t (bfloat16).
template <typename T>
void RmsNorm(Matrix<const T> x, const T* weight, float eps, Matrix<T> out);
template <typename T>
void SiluMul(Matrix<T> gate, Matrix<const T> up);
template <typename T>
void Rotate(const Rotation<T>& rotation);

}  // namespace rondo::kernels::reference
