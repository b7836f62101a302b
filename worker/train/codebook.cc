// VQRound (arXiv 2602.02151; docs/algorithms.md 5.1, 5.4): h is evaluated on the codebook only, the
// regulariser counts how often each entry is used, and the gradient is a sum over a code's weights.
#include <algorithm>
#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/api/backend.h"
#include "worker/train/rounding.h"

namespace rondo {
namespace {

// Parts of a layer's rows whose gradient sums are formed apart and added in order, so that the
// result does not depend on the number of threads.
constexpr int64_t kGradientParts = 4;
constexpr double kDecidedMargin = 0.05;

class Codebook final : public Variables {
 public:
  Codebook(at::Tensor centres, const at::Tensor& codes) : sum_(at::zeros_like(centres)) {
    uses_ = at::bincount(codes, {}, centres.size(0)).to(at::kFloat).unsqueeze(1);
    parameters_.emplace_back(std::move(centres));
    SetForward(false);
  }

  void SetForward(bool hard) override {
    hard_ = hard;
    soft_ = RectifiedSigmoid(value());
    forward_ = hard ? value().ge(0).to(at::kFloat) : soft_;
  }
  at::Tensor gradient_sum() override { return sum_; }

  double FinishStep(const Regulariser& regulariser) override {
    at::Tensor& gradient = parameters_.front().gradient;
    gradient.addcmul_(sum_, RectifiedSigmoidSlope(value(), /*saturate=*/!hard_));
    sum_.zero_();
    if (regulariser.weight == 0) return 0;
    gradient.addcmul_(uses_, RoundRegulariserSlope(value(), regulariser.beta), regulariser.weight);
    return (uses_ * RoundRegulariser(value(), regulariser.beta)).sum(at::kDouble).item<double>();
  }

  int64_t Decided() const override {
    const at::Tensor decided = (soft_ - 0.5).abs().ge(0.5 - kDecidedMargin);
    return (uses_ * decided).sum(at::kDouble).item<int64_t>();
  }
  std::vector<Parameter>& parameters() override { return parameters_; }

  const at::Tensor& value() const { return parameters_.front().value; }
  const at::Tensor& soft() const { return soft_; }        // h, [K, dim]
  const at::Tensor& forward() const { return forward_; }  // h or the decision, [K, dim]

 private:
  std::vector<Parameter> parameters_;
  at::Tensor uses_;  // [K, 1] float32: blocks of each code
  at::Tensor sum_, soft_, forward_;
  bool hard_ = false;
};

kernels::Matrix<const uint8_t> Rows(const at::Tensor& base, int64_t begin, int64_t count) {
  const int64_t cols = base.size(1);
  return {base.const_data_ptr<uint8_t>() + begin * cols, count, cols, cols};
}

template <typename T, typename Scalar>
kernels::Matrix<T> Rows(const at::Tensor& m, int64_t begin, int64_t count) {
  const int64_t cols = m.size(1);
  auto* data = reinterpret_cast<T*>(m.data_ptr<Scalar>());
  return {data + begin * cols, count, cols, cols};
}

class CodebookLinear final : public RoundedLinear {
 public:
  // codes: [out * in / dim] uint16.
  CodebookLinear(RoundingVariables start, at::Tensor codes, Codebook* codebook)
      : RoundedLinear(std::move(start.base), std::move(start.grid)),
        codes_(std::move(codes)),
        codebook_(codebook) {}

  at::Tensor Weight(at::ScalarType dtype) const override {
    at::Tensor weight = at::empty(base_.sizes(), base_.options().dtype(dtype));
    at::parallel_for(0, base_.size(0), kGrain, [&](int64_t begin, int64_t end) {
      const kernels::CodebookView view = View(codebook_->forward(), begin, end);
      if (dtype == at::kBFloat16) {
        kernels::Cpu().dequantize_codebook_bf16(
            view, Rows<uint16_t, at::BFloat16>(weight, begin, end - begin));
      } else {
        kernels::Cpu().dequantize_codebook(view, Rows<float, float>(weight, begin, end - begin));
      }
    });
    return weight;
  }

  void AddGradient(const at::Tensor& dw) override {
    const at::Tensor total = codebook_->gradient_sum();
    at::Tensor parts = at::zeros({kGradientParts, total.numel()}, total.options());
    at::parallel_for(0, kGradientParts, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        const int64_t begin = base_.size(0) * part / kGradientParts;
        const int64_t end = base_.size(0) * (part + 1) / kGradientParts;
        AddPart(dw, begin, end, parts.data_ptr<float>() + part * total.numel());
      }
    });
    for (int64_t part = 0; part < kGradientParts; ++part) total.add_(parts[part].view_as(total));
  }

  at::Tensor Decisions() const override {
    return codebook_->value().ge(0).index_select(0, codes_.to(at::kInt)).view(base_.sizes());
  }

 private:
  static constexpr int64_t kGrain = 32;  // rows

  kernels::CodebookView View(const at::Tensor& rounding, int64_t begin, int64_t end) const {
    const int64_t dim = rounding.size(1), groups = grid_.scale.size(1);
    kernels::CodebookView view;
    view.base = Rows(base_, begin, end - begin);
    view.codes = codes_.const_data_ptr<uint16_t>() + begin * base_.size(1) / dim;
    view.rounding = rounding.const_data_ptr<float>();
    view.dim = dim;
    view.grid.scale = grid_.scale.const_data_ptr<float>() + begin * groups;
    view.grid.zero_point = grid_.zero_point.const_data_ptr<float>() + begin * groups;
    view.grid.groups = groups;
    view.grid.group_size = grid_.group_size;
    view.grid.maxq = maxq();
    return view;
  }

  void AddPart(const at::Tensor& dw, int64_t begin, int64_t end, float* sum) const {
    const kernels::CodebookView view = View(codebook_->soft(), begin, end);
    if (dw.scalar_type() == at::kBFloat16) {
      kernels::Cpu().codebook_gradient_bf16(
          view, Rows<const uint16_t, at::BFloat16>(dw, begin, end - begin), sum);
    } else {
      kernels::Cpu().codebook_gradient(view, Rows<const float, float>(dw, begin, end - begin), sum);
    }
  }

  at::Tensor codes_;
  Codebook* codebook_;  // RoundedLayer::variables
};

}  // namespace

void AddCodebook(const Clusters& clusters, std::vector<RoundingVariables> starts,
                 RoundedLayer* layer) {
  const int64_t dim = clusters.centres.size(1);
  auto codebook = std::make_unique<Codebook>(clusters.centres.clone(), clusters.codes);
  int64_t first = 0;
  for (RoundingVariables& start : starts) {
    const int64_t blocks = start.base.numel() / dim;
    layer->linears.push_back(std::make_unique<CodebookLinear>(
        std::move(start), clusters.codes.narrow(0, first, blocks).to(at::kUInt16), codebook.get()));
    first += blocks;
  }
  layer->variables.push_back(std::move(codebook));
}

}  // namespace rondo
