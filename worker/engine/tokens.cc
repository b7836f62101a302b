#include "worker/engine/tokens.h"

#include <functional>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include "worker/text/dataset.h"

namespace rondo {
namespace {

absl::StatusOr<at::Tensor> Share(const RankContext& ctx,
                                 const std::function<absl::StatusOr<TokenWindows>()>& read) {
  const auto longs = at::TensorOptions().dtype(at::kLong).device(ctx.device);
  at::Tensor shape = at::empty({2}, longs);
  at::Tensor tokens;
  if (ctx.lead()) {
    ASSIGN_OR_RETURN(TokenWindows windows, read());
    shape = at::tensor({windows.count, windows.seq_len}, at::kLong).to(ctx.device);
    tokens = at::from_blob(windows.ids.data(), {windows.count, windows.seq_len}, at::kInt)
                 .to(longs, /*non_blocking=*/false, /*copy=*/true);
  }
  RETURN_IF_ERROR(ctx.comm->Broadcast(shape, 0));
  if (!ctx.lead()) tokens = at::empty({shape[0].item<int64_t>(), shape[1].item<int64_t>()}, longs);
  RETURN_IF_ERROR(ctx.comm->Broadcast(tokens, 0));
  return tokens;
}

}  // namespace

absl::StatusOr<JobTokens> ShareTokens(const RankContext& ctx) {
  const JobSpec& spec = ctx.spec();
  const int64_t vocab = ctx.config.vocab_size;
  JobTokens tokens;
  if (NeedsCalibration(spec.method)) {
    ASSIGN_OR_RETURN(tokens.calibration, Share(ctx, [&]() -> absl::StatusOr<TokenWindows> {
                       ASSIGN_OR_RETURN(auto ids,
                                        LoadTokens(spec.calibration.path, spec.model.path, vocab));
                       return CalibrationWindows(ids, spec.calibration);
                     }));
  }
  for (const EvaluationSet& set : spec.evaluation.sets) {
    ASSIGN_OR_RETURN(at::Tensor windows, Share(ctx, [&]() -> absl::StatusOr<TokenWindows> {
                       ASSIGN_OR_RETURN(auto ids, LoadTokens(set.path, spec.model.path, vocab));
                       return EvaluationWindows(ids, spec.evaluation.seq_len,
                                                spec.evaluation.windows);
                     }));
    tokens.evaluation.push_back(std::move(windows));
  }
  return tokens;
}

}  // namespace rondo
