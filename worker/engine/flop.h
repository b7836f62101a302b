// Floating-point operations of the matrix products that a phase cannot do without, for comparing
// the time it took with the machine's matrix rate. A multiply-add counts as two.
#pragma once

#include <cstdint>

#include "common/domain/model_config.h"

namespace rondo {

// `tokens` through the linear layers of `layers` decoder layers.
double ForwardFlop(const ModelLayout& layout, int64_t tokens, int64_t layers);
// The same where every input is collected from the quantized linears before it: those that lead to
// the second input of a block run once to show it, and once more when the windows pass.
double SequentialForwardFlop(const ModelLayout& layout, int64_t tokens, int64_t layers);
// X^T X of every distinct input, one triangle.
double HessianFlop(const ModelLayout& layout, int64_t tokens, int64_t layers);
// Cholesky of every distinct Hessian, and GPTQ's error feedback for every linear.
double SolveFlop(const ModelLayout& layout, int64_t layers);
// The output head.
double HeadFlop(const ModelConfig& config, int64_t tokens);

}  // namespace rondo
