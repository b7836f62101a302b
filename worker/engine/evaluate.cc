#include "worker/engine/evaluate.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "worker/engine/flop.h"
#include "worker/engine/stream.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// Tokens whose logits exist at one time: [chunk, vocab] is all that is ever held of them.
constexpr int64_t kHeadChunk = 256;

}  // namespace

double NegativeLogLikelihood::perplexity() const {
  return std::exp(sum / static_cast<double>(tokens));
}

absl::StatusOr<NegativeLogLikelihood> ScoreHidden(const Stage& stage, const at::Tensor& hidden,
                                                  const at::Tensor& tokens) {
  return CatchTorch("evaluation", [&]() -> absl::StatusOr<NegativeLogLikelihood> {
    const int64_t predictions = tokens.size(1) - 1;
    const at::Tensor inputs = hidden.narrow(1, 0, predictions).reshape({-1, hidden.size(2)});
    const at::Tensor targets = tokens.narrow(1, 1, predictions).reshape({-1, 1});
    NegativeLogLikelihood total;
    total.tokens = inputs.size(0);
    for (int64_t begin = 0; begin < total.tokens; begin += kHeadChunk) {
      const int64_t count = std::min(kHeadChunk, total.tokens - begin);
      ASSIGN_OR_RETURN(at::Tensor logits, stage.Logits(inputs.narrow(0, begin, count)));
      logits = logits.to(at::kFloat);
      const at::Tensor chosen = logits.gather(1, targets.narrow(0, begin, count)).squeeze(1);
      total.sum += (at::logsumexp(logits, 1) - chosen).sum(at::kDouble).item<double>();
    }
    return total;
  });
}

absl::Status EvaluateSets(const RankContext& ctx, const Stage& stage,
                          const std::vector<at::Tensor>& sets, EvaluatedModel model) {
  const double start = ctx.reporter->Seconds();
  double flop = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    NegativeLogLikelihood total;
    Pass pass;
    const std::string& name = ctx.spec().evaluation.sets[i].name;
    pass.phase = Phase::kEvaluate;
    pass.unit = absl::StrCat("micro-batches of ", name);
    pass.micro_batch = ctx.spec().compute.micro_batch;
    pass.on_output = [&](const MicroBatch& batch, const at::Tensor& hidden) -> absl::Status {
      ASSIGN_OR_RETURN(NegativeLogLikelihood part,
                       ScoreHidden(stage, hidden, sets[i].narrow(0, batch.first, batch.count)));
      total.sum += part.sum;
      total.tokens += part.tokens;
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(StreamWindows(ctx, stage, sets[i], pass));
    flop += ForwardFlop(ctx.layout, sets[i].numel(), ctx.layers());
    if (ctx.last()) {
      flop += HeadFlop(ctx.config, total.tokens);
      ctx.reporter->Event(Evaluated{name, model != EvaluatedModel::kOriginal, total.perplexity(),
                                    total.tokens, model == EvaluatedModel::kStart});
    }
  }
  ctx.reporter->ReportPhase(Phase::kEvaluate, ctx.reporter->Seconds() - start, flop);
  return absl::OkStatus();
}

}  // namespace rondo
