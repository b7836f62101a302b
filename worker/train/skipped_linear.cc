#include <memory>
#include <utility>

#include <ATen/ATen.h>

#include "worker/train/rounding.h"

namespace rondo {
namespace {

class SkippedLinear final : public RoundedLinear {
 public:
  explicit SkippedLinear(at::Tensor weight)
      : RoundedLinear(at::empty({0}, at::kByte), Grid{}), weight_(std::move(weight)) {}

  at::Tensor Weight(at::ScalarType dtype) const override { return weight_.to(dtype); }
  void AddGradient(const at::Tensor&) override {}
  at::Tensor Decisions() const override { return {}; }
  QuantizedLinear Harden() const override { return {}; }

 private:
  at::Tensor weight_;
};

}  // namespace

void InsertSkipped(at::Tensor weight, size_t index, RoundedLayer* layer) {
  const auto place = layer->linears.begin() + static_cast<std::ptrdiff_t>(index);
  layer->linears.insert(place, std::make_unique<SkippedLinear>(std::move(weight)));
}

}  // namespace rondo
