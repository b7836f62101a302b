#include "worker/model/rotary.h"

#include <numbers>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "worker/model/elementwise.h"

namespace rondo {

at::Tensor RotaryFrequencies(int64_t head_dim, double theta,
                             const std::optional<Llama3RopeScaling>& scaling) {
  const at::Tensor exponents = at::arange(0, head_dim, 2, at::kFloat) / head_dim;
  at::Tensor f = at::pow(at::Scalar(theta), exponents).reciprocal();
  if (!scaling) return f;
  // modeling_rope_utils.py, _compute_llama3_parameters.
  const auto length = static_cast<double>(scaling->original_max_position_embeddings);
  const double low = scaling->low_freq_factor;
  const double high = scaling->high_freq_factor;
  const at::Tensor wavelength = 2 * std::numbers::pi / f;
  const at::Tensor smooth = (length / wavelength - low) / (high - low);
  const at::Tensor between = (1 - smooth) * f / scaling->factor + smooth * f;
  const at::Tensor scaled = at::where(wavelength > length / low, f / scaling->factor, f);
  const at::Tensor medium = (wavelength >= length / high).logical_and(wavelength <= length / low);
  return at::where(medium, between, scaled);
}

Rotary::Rotary(const ModelConfig& config, at::ScalarType dtype, at::Device device)
    : head_dim_(config.head_dim),
      dtype_(dtype),
      frequencies_(
          RotaryFrequencies(config.head_dim, config.rope_theta, config.rope_scaling).to(device)) {}

void Rotary::Prepare(int64_t seq) {
  if (cos_.defined() && cos_.size(0) == seq) return;
  // The tables outlive the pass that asks for them first, and a later one may record gradients.
  const c10::InferenceMode normal(false);
  const at::Tensor angles =
      at::outer(at::arange(seq, frequencies_.options()), frequencies_).unsqueeze(1);
  cos_ = angles.cos().to(dtype_);
  sin_ = angles.sin().to(dtype_);
}

at::Tensor Rotary::Apply(const at::Tensor& x, int64_t group) {
  const int64_t heads = x.size(2) / (group * head_dim_);
  Prepare(x.size(1));
  return Rotate(x.reshape({x.size(0), x.size(1), heads, group, head_dim_}), cos_, sin_);
}

}  // namespace rondo
