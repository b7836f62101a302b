// The baselines: AdaRound (arXiv 2004.10568) and LoRA-rounding (arXiv 2312.07950),
// docs/algorithms.md section 4. They hold one variable a weight, in plain tensor operations.
#include <cmath>
#include <memory>
#include <utility>

#include <ATen/ATen.h>

#include "common/base/random.h"
#include "kernels/api/codebook.h"
#include "worker/train/rounding.h"

namespace rondo {
namespace {

// Variables of one linear whose alpha is [out, in].
class PerWeight : public Variables {
 public:
  explicit PerWeight(const at::Tensor& like) : sum_(at::zeros_like(like)) {}

  void SetForward(bool hard) override { hard_ = hard; }
  at::Tensor gradient_sum() override { return sum_; }
  int64_t Decided() const override {
    return IsDecided(RectifiedSigmoid(Alpha())).sum().item<int64_t>();
  }
  at::Tensor FinishStep(const Regulariser& regulariser) override {
    const at::Tensor alpha = Alpha();
    at::Tensor gradient = sum_ * RectifiedSigmoidSlope(alpha, /*saturate=*/!hard_);
    sum_.zero_();
    at::Tensor value = at::zeros({}, gradient.options().dtype(at::kDouble));
    if (regulariser.weight != 0) {
      gradient.add_(RoundRegulariserSlope(alpha, regulariser.beta), regulariser.weight);
      value = RoundRegulariser(alpha, regulariser.beta).sum(at::kDouble);
    }
    AddToParameters(gradient);
    return value;
  }
  std::vector<Parameter>& parameters() override { return parameters_; }

  virtual at::Tensor Alpha() const = 0;
  at::Tensor Forward() const {
    return hard_ ? Alpha().ge(0).to(at::kFloat) : RectifiedSigmoid(Alpha());
  }

 protected:
  virtual void AddToParameters(const at::Tensor& alpha_gradient) = 0;
  std::vector<Parameter> parameters_;

 private:
  at::Tensor sum_;
  bool hard_ = false;
};

class DenseAlpha final : public PerWeight {
 public:
  explicit DenseAlpha(const at::Tensor& alpha) : PerWeight(alpha) {
    parameters_.emplace_back(alpha.clone());
  }
  at::Tensor Alpha() const override { return parameters_.front().value; }

 private:
  void AddToParameters(const at::Tensor& g) override { parameters_.front().gradient.add_(g); }
};

// alpha = alpha0 + B A, B [out, rank], A [rank, in].
class LowRankAlpha final : public PerWeight {
 public:
  LowRankAlpha(const at::Tensor& alpha, int64_t rank, uint64_t seed)
      : PerWeight(alpha), alpha0_(alpha.clone()) {
    parameters_.emplace_back(at::zeros({alpha.size(0), rank}, alpha.options()));
    at::Tensor a = at::empty({rank, alpha.size(1)}, at::kFloat);
    SplitMix64 random(seed);
    const double bound = std::sqrt(3.0 / static_cast<double>(rank));  // variance 1 / rank
    auto* data = a.data_ptr<float>();
    for (int64_t i = 0; i < a.numel(); ++i) {
      data[i] = static_cast<float>(bound * (2 * random.Uniform() - 1));
    }
    parameters_.emplace_back(a.to(alpha.device()));
  }
  at::Tensor Alpha() const override {
    return at::addmm(alpha0_, parameters_[0].value, parameters_[1].value);
  }

 private:
  void AddToParameters(const at::Tensor& g) override {
    parameters_[0].gradient.addmm_(g, parameters_[1].value.t());
    parameters_[1].gradient.addmm_(parameters_[0].value.t(), g);
  }
  at::Tensor alpha0_;
};

class PerWeightLinear final : public RoundedLinear {
 public:
  PerWeightLinear(RoundingVariables start, PerWeight* variables)
      : RoundedLinear(std::move(start.base), std::move(start.grid)), variables_(variables) {}

  at::Tensor Weight(at::ScalarType dtype) const override {
    const at::Tensor code = Code(variables_->Forward()).clamp_(0, maxq());
    return (code - Spread(grid_.zero_point)).mul_(Spread(grid_.scale)).to(dtype);
  }

  void AddGradient(const at::Tensor& dw) override {
    const at::Tensor code = Code(RectifiedSigmoid(variables_->Alpha()));
    const at::Tensor inside = code.ge(0).logical_and_(code.le(maxq()));
    variables_->gradient_sum().add_((dw.to(at::kFloat) * Spread(grid_.scale)).mul_(inside));
  }

  at::Tensor Decisions() const override { return variables_->Alpha().ge(0); }

 private:
  at::Tensor Code(const at::Tensor& r) const {
    return base_.to(at::kFloat).sub_(kernels::BaseOffset(maxq())).add_(r);
  }
  // [out, groups] -> [out, in]
  at::Tensor Spread(const at::Tensor& of_groups) const {
    return of_groups.repeat_interleave(grid_.group_size, 1).narrow(1, 0, base_.size(1));
  }

  PerWeight* variables_;  // RoundedLayer::variables
};

void Add(RoundingVariables start, std::unique_ptr<PerWeight> variables, RoundedLayer* layer) {
  layer->linears.push_back(std::make_unique<PerWeightLinear>(std::move(start), variables.get()));
  layer->variables.push_back(std::move(variables));
}

}  // namespace

void AddDense(RoundingVariables start, RoundedLayer* layer) {
  auto variables = std::make_unique<DenseAlpha>(start.alpha);
  Add(std::move(start), std::move(variables), layer);
}

void AddLowRank(RoundingVariables start, int64_t rank, uint64_t seed, RoundedLayer* layer) {
  auto variables = std::make_unique<LowRankAlpha>(start.alpha, rank, seed);
  Add(std::move(start), std::move(variables), layer);
}

}  // namespace rondo
