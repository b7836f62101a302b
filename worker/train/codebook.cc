// VQRound (arXiv 2602.02151; docs/algorithms.md 5.1, 5.4): h is evaluated on the codebook only, the
// regulariser counts how often each entry is used, and the gradient is a sum over a code's weights.
#include <memory>
#include <utility>

#include <ATen/ATen.h>

#include "worker/train/rounding.h"
#include "worker/train/train_kernels.h"

namespace rondo {
namespace {

class Codebook final : public Variables {
 public:
  Codebook(at::Tensor centres, const at::Tensor& codes) : sum_(at::zeros_like(centres)) {
    uses_ = at::bincount(codes, {}, centres.size(0))
                .to(at::kFloat)
                .unsqueeze(1)
                .expand_as(centres)
                .contiguous();
    parameters_.emplace_back(std::move(centres));
    SetForward(false);
  }

  void SetForward(bool hard) override {
    hard_ = hard;
    soft_ = RectifiedSigmoid(value());
    forward_ = hard ? value().ge(0).to(at::kFloat) : soft_;
  }
  at::Tensor gradient_sum() override { return sum_; }

  at::Tensor FinishStep(const Regulariser& regulariser) override {
    at::Tensor value_of_regulariser =
        FindRoundingGradient({.alpha = value(),
                              .uses = uses_,
                              .sum = sum_,
                              .gradient = parameters_.front().gradient,
                              .saturate = !hard_,
                              .weight = regulariser.weight,
                              .beta = regulariser.beta});
    sum_.zero_();
    return value_of_regulariser;
  }

  int64_t Decided() const override {
    return (uses_ * IsDecided(soft_)).sum(at::kDouble).item<int64_t>();
  }
  std::vector<Parameter>& parameters() override { return parameters_; }

  const at::Tensor& value() const { return parameters_.front().value; }
  const at::Tensor& soft() const { return soft_; }        // h, [K, dim]
  const at::Tensor& forward() const { return forward_; }  // h or the decision, [K, dim]

 private:
  std::vector<Parameter> parameters_;
  at::Tensor uses_;  // [K, dim] float32: blocks of each code
  at::Tensor sum_, soft_, forward_;
  bool hard_ = false;
};

class CodebookLinear final : public RoundedLinear {
 public:
  // codes: [out * in / dim] uint16.
  CodebookLinear(const RoundingVariables& start, at::Tensor codes, Codebook* codebook)
      : RoundedLinear(start.base, start.grid),
        tensors_{start.base, std::move(codes), start.grid, {}, {}},
        codebook_(codebook) {
    IndexByCode(codebook->value().size(0), &tensors_);
  }

  at::Tensor Weight(at::ScalarType dtype) const override {
    return CodebookWeight(tensors_, codebook_->forward(), dtype);
  }
  void AddGradient(const at::Tensor& dw) override {
    AddCodebookGradient(tensors_, codebook_->soft(), dw, codebook_->gradient_sum());
  }
  at::Tensor Decisions() const override {
    return codebook_->value()
        .ge(0)
        .index_select(0, tensors_.codes.to(at::kInt))
        .view(base_.sizes());
  }

 private:
  CodebookTensors tensors_;
  Codebook* codebook_;  // RoundedLayer::variables
};

}  // namespace

void AddCodebook(const Clusters& clusters, std::vector<RoundingVariables> starts,
                 RoundedLayer* layer) {
  const int64_t dim = clusters.centres.size(1);
  const at::Device device = starts.front().base.device();
  const at::Tensor codes = clusters.codes.to(device);
  auto codebook = std::make_unique<Codebook>(
      clusters.centres.to(device, clusters.centres.scalar_type(), false, /*copy=*/true), codes);
  int64_t first = 0;
  for (const RoundingVariables& start : starts) {
    const int64_t blocks = start.base.numel() / dim;
    layer->linears.push_back(std::make_unique<CodebookLinear>(
        start, codes.narrow(0, first, blocks).to(at::kUInt16), codebook.get()));
    first += blocks;
  }
  layer->variables.push_back(std::move(codebook));
}

}  // namespace rondo
