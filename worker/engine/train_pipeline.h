// Windows forward and backward through the stages of one replica, one window a micro-batch, in the
// order "one forward, one backward" (arXiv 1806.03377): a stage holds at most as many windows as
// there are stages from it on. Collective among the stages of a replica.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/train/head_loss.h"
#include "worker/train/layer_pass.h"

namespace rondo {

class TrainPipeline {
 public:
  // tokens: [windows, seq] int64. head: Stage::head() in the dtype of the products, and `loss`: on
  // the last stage. All outlive this.
  TrainPipeline(const RankContext& ctx, const Stage& stage, const at::Tensor& tokens,
                at::Tensor head, TokenLoss* loss);

  // Adds the gradients of gradient_scale * loss to what the stage's layers train; scale 0: forward
  // only. Returns the windows' loss on the last stage, 0 elsewhere.
  absl::StatusOr<double> Run(const std::vector<int64_t>& windows, double gradient_scale);

 private:
  // A window between its forward and its backward pass on this stage.
  struct Flight {
    SavedLayers saved;
    at::Tensor gradient;  // on the last stage
  };
  struct Arriving {
    at::Tensor tensor;
    std::unique_ptr<Pending> pending;
  };

  absl::StatusOr<at::Tensor> Forward(int64_t window, double gradient_scale);
  absl::Status Backward(std::unique_ptr<Arriving> arriving);
  absl::StatusOr<std::unique_ptr<Arriving>> Expect(int from) const;
  absl::Status Send(const at::Tensor& tensor, int to);

  const RankContext& ctx_;
  const Stage& stage_;
  at::Tensor tokens_;
  at::Tensor head_;
  TokenLoss* loss_;
  std::deque<Flight> flights_;
  std::vector<std::unique_ptr<Pending>> sent_;
  double total_ = 0;
};

}  // namespace rondo
