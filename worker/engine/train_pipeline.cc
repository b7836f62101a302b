#include "worker/engine/train_pipeline.h"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>

namespace rondo {

TrainPipeline::TrainPipeline(const RankContext& ctx, const Stage& stage, const at::Tensor& tokens,
                             at::Tensor head, TokenLoss* loss)
    : ctx_(ctx), stage_(stage), tokens_(tokens), head_(std::move(head)), loss_(loss) {}

absl::StatusOr<std::unique_ptr<TrainPipeline::Arriving>> TrainPipeline::Expect(int from) const {
  auto arriving = std::make_unique<Arriving>();
  arriving->tensor = at::empty({1, tokens_.size(1), ctx_.config.hidden_size},
                               at::TensorOptions().dtype(stage_.dtype()).device(ctx_.device));
  ASSIGN_OR_RETURN(arriving->pending, ctx_.comm->Receive(arriving->tensor, from));
  return arriving;
}

absl::Status TrainPipeline::Send(const at::Tensor& tensor, int to) {
  ASSIGN_OR_RETURN(std::unique_ptr<Pending> pending, ctx_.comm->Send(tensor.contiguous(), to));
  sent_.push_back(std::move(pending));
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> TrainPipeline::Forward(int64_t window, double gradient_scale) {
  at::Tensor hidden;
  if (ctx_.first()) {
    ASSIGN_OR_RETURN(hidden, stage_.Embed(tokens_.narrow(0, window, 1)));
  } else {
    ASSIGN_OR_RETURN(const auto arriving, Expect(ctx_.comm->rank() - 1));
    RETURN_IF_ERROR(arriving->pending->Wait());
    hidden = arriving->tensor;
  }
  Flight flight;
  ASSIGN_OR_RETURN(hidden, ForwardLayers(stage_, hidden, ctx_.task->plan.keep_graphs,
                                         gradient_scale != 0 ? &flight.saved : nullptr));
  if (ctx_.last()) {
    ASSIGN_OR_RETURN(HeadResult result,
                     RunHead(stage_, head_, loss_, window, hidden, gradient_scale));
    total_ += result.loss;
    flight.gradient = std::move(result.gradient);
  }
  if (gradient_scale != 0) flights_.push_back(std::move(flight));
  return hidden;
}

absl::Status TrainPipeline::Backward(std::unique_ptr<Arriving> arriving) {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  if (arriving != nullptr) {
    RETURN_IF_ERROR(arriving->pending->Wait());
    flight.gradient = arriving->tensor;
  }
  ASSIGN_OR_RETURN(const at::Tensor gradient,
                   BackwardLayers(stage_, std::move(flight.saved), std::move(flight.gradient)));
  return ctx_.first() ? absl::OkStatus() : Send(gradient, ctx_.comm->rank() - 1);
}

absl::StatusOr<double> TrainPipeline::Run(const std::vector<int64_t>& windows,
                                          double gradient_scale) {
  const auto count = static_cast<int64_t>(windows.size());
  const int64_t later = static_cast<int64_t>(ctx_.stages.size()) - 1 - ctx_.stage_index();
  const bool backward = gradient_scale != 0;
  const int64_t ahead = backward ? std::min(later, count) : 0;
  total_ = 0;
  for (int64_t i = 0; i < count + ahead; ++i) {
    at::Tensor output;
    if (i < count) {
      ASSIGN_OR_RETURN(output, Forward(windows[i], gradient_scale));
    }
    // The receive comes before the send: NCCL runs the messages of a pair in order, and the next
    // stage sends this gradient before it asks for another window.
    std::unique_ptr<Arriving> arriving;
    if (backward && i >= ahead && !ctx_.last()) {
      ASSIGN_OR_RETURN(arriving, Expect(ctx_.comm->rank() + 1));
    }
    if (i < count && !ctx_.last()) RETURN_IF_ERROR(Send(output, ctx_.comm->rank() + 1));
    if (backward && i >= ahead) RETURN_IF_ERROR(Backward(std::move(arriving)));
  }
  for (const std::unique_ptr<Pending>& sent : sent_) RETURN_IF_ERROR(sent->Wait());
  sent_.clear();
  return total_;
}

}  // namespace rondo
