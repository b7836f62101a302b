// What the decoder layers of every family do around their linear layers.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/model/decoder.h"

namespace rondo {

// x: [..., in] -> a new tensor [..., out].
at::Tensor ApplyLinear(const Linear& linear, const at::Tensor& x);

}  // namespace rondo
