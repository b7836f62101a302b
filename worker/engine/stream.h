// Moves token windows through the stages of a gang: a stage computes one micro-batch while the next
// one arrives and the former one leaves. Every rank calls the same function with the same tokens.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// A run of windows that go through a stage together.
struct MicroBatch {
  int64_t first = 0;  // window
  int64_t count = 0;
};
std::vector<MicroBatch> CutMicroBatches(int64_t windows, int64_t micro_batch);

// The hidden states [count, seq, hidden] that this rank works on for each micro-batch: embedded on
// the first stage, received from the previous one elsewhere.
class ActivationSource {
 public:
  // tokens: [windows, seq] int64 on the rank's device.
  ActivationSource(const RankContext& ctx, const Stage& stage, const at::Tensor& tokens,
                   std::vector<MicroBatch> batches);
  // In order; the receive of the following micro-batch is started before this returns.
  absl::StatusOr<at::Tensor> Next();

 private:
  absl::Status Prefetch();

  const RankContext& ctx_;
  const Stage& stage_;
  at::Tensor tokens_;
  std::vector<MicroBatch> batches_;
  size_t next_ = 0;
  at::Tensor arriving_;
  std::unique_ptr<Pending> pending_;
};

// Hands hidden states to the next stage with a bounded number under way.
class ActivationSink {
 public:
  explicit ActivationSink(const RankContext& ctx) : ctx_(ctx) {}
  absl::Status Put(const at::Tensor& hidden);
  absl::Status Flush();

 private:
  const RankContext& ctx_;
  std::vector<std::unique_ptr<Pending>> pending_;
};

// What a layer or a block of it puts out; names the layer when that failed or is not finite.
absl::StatusOr<at::Tensor> CheckedOutput(const RankContext& ctx, int64_t local_layer,
                                         absl::StatusOr<at::Tensor> output);

// Runs one layer, checked.
absl::StatusOr<at::Tensor> RunLayer(const RankContext& ctx, const DecoderLayer& layer,
                                    int64_t local_layer, const at::Tensor& hidden,
                                    InputObserver* observer);
inline absl::StatusOr<at::Tensor> RunLayer(const RankContext& ctx, const Stage& stage,
                                           int64_t local_layer, const at::Tensor& hidden,
                                           InputObserver* observer) {
  return RunLayer(ctx, *stage.layers()[local_layer], local_layer, hidden, observer);
}

struct Pass {
  Phase phase = Phase::kTeacher;
  std::string unit = "micro-batches";  // of the progress that is reported
  int64_t micro_batch = 1;
  std::vector<InputObserver*> observers;  // by local layer; empty: none
  // What reaches this stage's first layer, in order.
  std::function<absl::Status(const MicroBatch&, const at::Tensor& hidden)> on_input;
  // On the last stage: the output of the last layer for each micro-batch, in order.
  std::function<absl::Status(const MicroBatch&, const at::Tensor& hidden)> on_output;
};

// One pass of all windows through all stages.
absl::Status StreamWindows(const RankContext& ctx, const Stage& stage, const at::Tensor& tokens,
                           const Pass& pass);

}  // namespace rondo
