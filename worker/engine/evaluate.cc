#include "worker/engine/evaluate.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

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

namespace {

// Hidden states that are held at once where layers are not. Layers are read again for every such
// part of a set.
constexpr int64_t kHeldBytes = int64_t{1} << 30;

void Add(const NegativeLogLikelihood& part, NegativeLogLikelihood* total) {
  total->sum += part.sum;
  total->tokens += part.tokens;
}

std::string UnitOf(const RankContext& ctx, size_t set, const std::string& what) {
  return absl::StrCat(what, " of ", ctx.spec().evaluation.sets[set].name);
}

// Window after window through all layers, which stay in memory.
class HeldModel {
 public:
  static absl::StatusOr<HeldModel> Load(const RankContext& ctx, const ChangeLayer& change) {
    HeldModel model;
    ASSIGN_OR_RETURN(model.stage_, LoadOwnStage(ctx, at::kFloat));
    for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
      RETURN_IF_ERROR(change(layer, model.stage_->layers()[layer].get()));
    }
    return model;
  }

  absl::StatusOr<NegativeLogLikelihood> Score(const RankContext& ctx, size_t set,
                                              const at::Tensor& tokens) const {
    NegativeLogLikelihood total;
    Pass pass;
    pass.phase = Phase::kEvaluate;
    pass.unit = UnitOf(ctx, set, "micro-batches");
    pass.micro_batch = ctx.spec().compute.micro_batch;
    pass.on_output = [&](const MicroBatch& batch, const at::Tensor& hidden) -> absl::Status {
      ASSIGN_OR_RETURN(const NegativeLogLikelihood part,
                       ScoreHidden(*stage_, hidden, tokens.narrow(0, batch.first, batch.count)));
      Add(part, &total);
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(StreamWindows(ctx, *stage_, tokens, pass));
    return total;
  }

 private:
  std::unique_ptr<Stage> stage_;
};

// Layer after layer, each for all windows that are held.
class StreamedModel {
 public:
  static absl::StatusOr<StreamedModel> Load(const RankContext& ctx, const ChangeLayer& change) {
    StreamedModel model;
    ASSIGN_OR_RETURN(model.ends_, LoadOwnEnds(ctx, at::kFloat));
    model.change_ = change;
    return model;
  }

  absl::StatusOr<NegativeLogLikelihood> Score(const RankContext& ctx, size_t set,
                                              const at::Tensor& tokens) const {
    const int64_t bytes = tokens.size(1) * ctx.config.hidden_size * int64_t{sizeof(float)};
    const int64_t held = std::max<int64_t>(1, kHeldBytes / bytes);
    NegativeLogLikelihood total;
    for (int64_t first = 0; first < tokens.size(0); first += held) {
      const int64_t count = std::min(held, tokens.size(0) - first);
      RETURN_IF_ERROR(
          AddHeld(ctx, UnitOf(ctx, set, "layers"), tokens.narrow(0, first, count), &total));
    }
    return total;
  }

 private:
  absl::Status AddHeld(const RankContext& ctx, const std::string& unit, const at::Tensor& tokens,
                       NegativeLogLikelihood* total) const {
    const auto batches = CutMicroBatches(tokens.size(0), ctx.spec().compute.micro_batch);
    std::vector<at::Tensor> hidden;
    for (const MicroBatch& batch : batches) {
      ASSIGN_OR_RETURN(at::Tensor embedded,
                       ends_->Embed(tokens.narrow(0, batch.first, batch.count)));
      hidden.push_back(std::move(embedded));
    }
    for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
      ctx.reporter->ReportProgress(Phase::kEvaluate, layer, ctx.layers(), unit);
      ASSIGN_OR_RETURN(const std::unique_ptr<Stage> one, LoadOneLayer(ctx, layer, at::kFloat));
      DecoderLayer* decoder = one->layers().front().get();
      RETURN_IF_ERROR(change_(layer, decoder));
      for (at::Tensor& batch : hidden) {
        ASSIGN_OR_RETURN(batch, RunLayer(ctx, *decoder, layer, batch, nullptr));
      }
    }
    ctx.reporter->ReportProgress(Phase::kEvaluate, ctx.layers(), ctx.layers(), unit);
    for (size_t i = 0; i < batches.size(); ++i) {
      ASSIGN_OR_RETURN(
          const NegativeLogLikelihood part,
          ScoreHidden(*ends_, hidden[i], tokens.narrow(0, batches[i].first, batches[i].count)));
      Add(part, total);
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Stage> ends_;
  ChangeLayer change_;
};

template <typename Model>
absl::Status EvaluateOn(const RankContext& ctx, const std::vector<at::Tensor>& sets,
                        EvaluatedModel model, const ChangeLayer& change) {
  const double start = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(const Model loaded, Model::Load(ctx, change));
  double flop = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    ASSIGN_OR_RETURN(const NegativeLogLikelihood total, loaded.Score(ctx, i, sets[i]));
    flop += ForwardFlop(ctx.layout, sets[i].numel(), ctx.layers());
    if (!ctx.last()) continue;
    flop += HeadFlop(ctx.config, total.tokens);
    ctx.reporter->Event(Evaluated{ctx.spec().evaluation.sets[i].name,
                                  model != EvaluatedModel::kOriginal, total.perplexity(),
                                  total.tokens, model == EvaluatedModel::kStart});
  }
  ctx.reporter->ReportPhase(Phase::kEvaluate, ctx.reporter->Seconds() - start, flop);
  return absl::OkStatus();
}

}  // namespace

absl::Status EvaluateSets(const RankContext& ctx, const std::vector<at::Tensor>& sets,
                          EvaluatedModel model, const ChangeLayer& change) {
  return ctx.stages.size() == 1 ? EvaluateOn<StreamedModel>(ctx, sets, model, change)
                                : EvaluateOn<HeldModel>(ctx, sets, model, change);
}

}  // namespace rondo
