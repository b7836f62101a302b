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
void RmsNormBackward(const RmsNormGradient<T>& args);
template <typename T>
void SiluMulBackward(const SiluMulGradient<T>& args);
template <typename T>
void Rotate(const Rotation<T>& rotation);
template <typename T>
void DequantizeCodebook(const CodebookView& layer, Matrix<T> out);
template <typename T>
void CodebookGradient(const CodebookView& layer, Matrix<const T> dw, float* sum);
NearestL2Fn NearestL2;
NearestLinfFn NearestLinf;
template <typename T>
void Distill(Matrix<const T> teacher, Matrix<T> student, float temperature, double* loss);
RoundingGradientFn FindRoundingGradient;
AdamFn RunAdam;

}  // namespace rondo::kernels::reference
