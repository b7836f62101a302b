#include "worker/engine/layer_walk.h"

#include <memory>

#include "worker/engine/stream.h"

namespace rondo {

absl::StatusOr<LayerWalk> LayerWalk::Start(const RankContext& ctx, const at::Tensor& tokens) {
  LayerWalk walk(ctx);
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> ends, LoadOwnEnds(ctx, ctx.dtype));
  const auto batches = CutMicroBatches(tokens.size(0), ctx.spec().compute.micro_batch);
  ActivationSource source(ctx, *ends, tokens, batches);
  walk.hidden_.resize(batches.size());
  for (at::Tensor& batch : walk.hidden_) {
    ASSIGN_OR_RETURN(batch, source.Next());
  }
  return walk;
}

absl::Status LayerWalk::Observe(const DecoderLayer& layer, int64_t local_layer, int input,
                                InputObserver* observer) {
  for (const at::Tensor& batch : hidden_) {
    const absl::Status status = layer.ShowInput(input, batch, observer);
    if (!status.ok()) return Annotate(status, LayerName(*ctx_, local_layer));
  }
  return absl::OkStatus();
}

absl::Status LayerWalk::Step(const DecoderLayer& layer, int64_t local_layer, Block block,
                             InputObserver* observer) {
  for (at::Tensor& batch : hidden_) {
    ASSIGN_OR_RETURN(batch,
                     CheckedOutput(*ctx_, local_layer, layer.ForwardBlock(block, batch, observer)));
  }
  return absl::OkStatus();
}

absl::Status LayerWalk::PassOn() {
  if (ctx_->last()) return absl::OkStatus();
  ActivationSink next(*ctx_);
  for (const at::Tensor& batch : hidden_) RETURN_IF_ERROR(next.Put(batch));
  return next.Flush();
}

}  // namespace rondo
