#include "worker/engine/stream.h"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>

#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

constexpr size_t kSendsUnderWay = 2;

}  // namespace

std::vector<MicroBatch> CutMicroBatches(int64_t windows, int64_t micro_batch) {
  std::vector<MicroBatch> batches;
  for (int64_t first = 0; first < windows; first += micro_batch) {
    batches.push_back({first, std::min(micro_batch, windows - first)});
  }
  return batches;
}

ActivationSource::ActivationSource(const RankContext& ctx, const Stage& stage,
                                   const at::Tensor& tokens, std::vector<MicroBatch> batches)
    : ctx_(ctx), stage_(stage), tokens_(tokens), batches_(std::move(batches)) {}

absl::Status ActivationSource::Prefetch() {
  if (next_ >= batches_.size()) return absl::OkStatus();
  const at::ScalarType dtype = stage_.dtype();
  arriving_ = at::empty({batches_[next_].count, tokens_.size(1), ctx_.config.hidden_size},
                        at::TensorOptions().dtype(dtype).device(ctx_.device));
  ASSIGN_OR_RETURN(pending_, ctx_.comm->Receive(arriving_, ctx_.comm->rank() - 1));
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> ActivationSource::Next() {
  if (ctx_.first()) {
    const MicroBatch batch = batches_[next_++];
    return stage_.Embed(tokens_.narrow(0, batch.first, batch.count));
  }
  if (pending_ == nullptr) RETURN_IF_ERROR(Prefetch());
  RETURN_IF_ERROR(pending_->Wait());
  at::Tensor hidden = std::move(arriving_);
  pending_.reset();
  ++next_;
  RETURN_IF_ERROR(Prefetch());
  return hidden;
}

absl::Status ActivationSink::Put(const at::Tensor& hidden) {
  if (pending_.size() == kSendsUnderWay) {
    RETURN_IF_ERROR(pending_.front()->Wait());
    pending_.erase(pending_.begin());
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Pending> sent,
                   ctx_.comm->Send(hidden.contiguous(), ctx_.comm->rank() + 1));
  pending_.push_back(std::move(sent));
  return absl::OkStatus();
}

absl::Status ActivationSink::Flush() {
  for (const std::unique_ptr<Pending>& sent : pending_) RETURN_IF_ERROR(sent->Wait());
  pending_.clear();
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> CheckedOutput(const RankContext& ctx, int64_t local_layer,
                                         absl::StatusOr<at::Tensor> output) {
  if (!output.ok()) return Annotate(output.status(), LayerName(ctx, local_layer));
  // A sum is finite only if every term is, and costs one read.
  return CatchTorch(LayerName(ctx, local_layer), [&]() -> absl::StatusOr<at::Tensor> {
    if (!std::isfinite(output->sum(at::kFloat).item<float>())) {
      return absl::InvalidArgumentError(
          absl::StrCat(LayerName(ctx, local_layer), " puts out NaN or Inf in ",
                       DTypeName(ctx.task->plan.dtype), "; try --dtype float32"));
    }
    return *output;
  });
}

absl::StatusOr<at::Tensor> RunLayer(const RankContext& ctx, const DecoderLayer& layer,
                                    int64_t local_layer, const at::Tensor& hidden,
                                    InputObserver* observer) {
  return CheckedOutput(ctx, local_layer, layer.Forward(hidden, observer));
}

absl::Status StreamWindows(const RankContext& ctx, const Stage& stage, const at::Tensor& tokens,
                           const Pass& pass) {
  const std::vector<MicroBatch> batches = CutMicroBatches(tokens.size(0), pass.micro_batch);
  const auto total = static_cast<int64_t>(batches.size());
  ActivationSource source(ctx, stage, tokens, batches);
  ActivationSink sink(ctx);
  for (int64_t i = 0; i < total; ++i) {
    ctx.reporter->ReportProgress(pass.phase, i, total, pass.unit);
    ASSIGN_OR_RETURN(at::Tensor hidden, source.Next());
    if (pass.on_input) RETURN_IF_ERROR(pass.on_input(batches[i], hidden));
    for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
      InputObserver* observer = pass.observers.empty() ? nullptr : pass.observers[layer];
      ASSIGN_OR_RETURN(hidden, RunLayer(ctx, stage, layer, hidden, observer));
    }
    if (!ctx.last()) {
      RETURN_IF_ERROR(sink.Put(hidden));
    } else if (pass.on_output) {
      RETURN_IF_ERROR(pass.on_output(batches[i], hidden));
    }
  }
  ctx.reporter->ReportProgress(pass.phase, total, total, pass.unit);
  return sink.Flush();
}

}  // namespace rondo
