#include "worker/engine/replicas.h"

#include <memory>

#include <ATen/ATen.h>

namespace rondo {
namespace {

absl::Status SendNow(const RankContext& ctx, const at::Tensor& tensor, int to) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Pending> pending, ctx.comm->Send(tensor, to));
  return pending->Wait();
}

absl::Status ReceiveNow(const RankContext& ctx, const at::Tensor& into, int from) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Pending> pending, ctx.comm->Receive(into, from));
  return pending->Wait();
}

// Of the sums of all variables of this stage, one after another.
at::Tensor Flatten(const std::vector<RoundedLayer>& layers) {
  std::vector<at::Tensor> sums;
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) {
      sums.push_back(variables->gradient_sum().flatten());
    }
  }
  return at::cat(sums);
}

void Unflatten(const at::Tensor& flat, const std::vector<RoundedLayer>& layers) {
  int64_t first = 0;
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) {
      const at::Tensor sum = variables->gradient_sum();
      sum.copy_(flat.narrow(0, first, sum.numel()).view_as(sum));
      first += sum.numel();
    }
  }
}

}  // namespace

absl::StatusOr<at::Tensor> SumOverStages(const RankContext& ctx, const at::Tensor& tensor) {
  at::Tensor sum = tensor;
  if (!ctx.first()) {
    sum = at::empty_like(tensor);
    RETURN_IF_ERROR(ReceiveNow(ctx, sum, ctx.comm->rank() - 1));
    sum.add_(tensor);
  }
  if (!ctx.last()) RETURN_IF_ERROR(SendNow(ctx, sum, ctx.comm->rank() + 1));
  return sum;
}

absl::StatusOr<at::Tensor> SumOverRanks(const RankContext& ctx, const at::Tensor& tensor) {
  at::Tensor sum = at::zeros_like(tensor);
  for (int rank = 0; rank < ctx.comm->size(); ++rank) {
    const at::Tensor of_rank = tensor.clone();
    RETURN_IF_ERROR(ctx.comm->Broadcast(of_rank, rank));
    sum.add_(of_rank);
  }
  return sum;
}

// The first replica adds and hands the sum back: 2 (replicas - 1) messages of 4 bytes a variable.
absl::Status SumOverReplicas(const RankContext& ctx, const std::vector<RoundedLayer>& layers) {
  if (ctx.replicas() == 1) return absl::OkStatus();
  const auto stages = static_cast<int>(ctx.stages.size());
  at::Tensor total = Flatten(layers);
  if (ctx.replica() > 0) {
    RETURN_IF_ERROR(SendNow(ctx, total, ctx.stage_index()));
    RETURN_IF_ERROR(ReceiveNow(ctx, total, ctx.stage_index()));
  } else {
    at::Tensor part = at::empty_like(total);
    for (int replica = 1; replica < ctx.replicas(); ++replica) {
      RETURN_IF_ERROR(ReceiveNow(ctx, part, replica * stages + ctx.stage_index()));
      total.add_(part);
    }
    for (int replica = 1; replica < ctx.replicas(); ++replica) {
      RETURN_IF_ERROR(SendNow(ctx, total, replica * stages + ctx.stage_index()));
    }
  }
  Unflatten(total, layers);
  return absl::OkStatus();
}

}  // namespace rondo
