#include "worker/engine/initialise.h"

#include <memory>
#include <utility>
#include <vector>

#include "worker/engine/flop.h"
#include "worker/engine/kept_layers.h"
#include "worker/engine/layer_walk.h"
#include "worker/engine/stream.h"

namespace rondo {
namespace {

// Of the layers that are left to do.
double HessiansFlop(const RankContext& ctx, const KeptLayers& kept, int64_t tokens) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    if (!kept.has(layer)) flop += HessianFlop(SolvedLayout(ctx, layer), tokens, 1);
  }
  return flop;
}

double SolvesFlop(const RankContext& ctx, const KeptLayers& kept) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    if (!kept.has(layer)) flop += SolveFlop(SolvedLayout(ctx, layer), 1);
  }
  return flop;
}

// By local layer; null where a layer is solved already.
using StageStatistics = std::vector<std::unique_ptr<LayerStatistics>>;

absl::StatusOr<StageStatistics> TeacherPass(const RankContext& ctx, const KeptLayers& kept,
                                            const at::Tensor& calibration) {
  const double start = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, ctx.dtype));
  StageStatistics statistics;
  Pass pass;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    statistics.push_back(kept.has(layer) ? nullptr : std::make_unique<LayerStatistics>(ctx, layer));
    pass.observers.push_back(statistics.back().get());
  }
  pass.phase = Phase::kTeacher;
  pass.micro_batch = ctx.spec().compute.micro_batch;
  RETURN_IF_ERROR(StreamWindows(ctx, *stage, calibration, pass));
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(
      Phase::kTeacher, ctx.reporter->Seconds() - start,
      ForwardFlop(ctx.layout, tokens, ctx.layers()) + HessiansFlop(ctx, kept, tokens));
  return statistics;
}

// Of layers whose statistics, where they need any, are there.
absl::Status FinishLayers(const RankContext& ctx, const KeptLayers& kept,
                          StageStatistics statistics, const LayerSink& sink) {
  const double start = ctx.reporter->Seconds();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    SolvedLayer solved;
    if (kept.has(layer)) {
      ASSIGN_OR_RETURN(solved, kept.Load(layer));
    } else {
      ASSIGN_OR_RETURN(solved, QuantizeLayer(ctx, layer, statistics[layer].get()));
      RETURN_IF_ERROR(kept.Save(layer, solved));
    }
    statistics[layer].reset();
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  ctx.reporter->ReportPhase(Phase::kInitialise, ctx.reporter->Seconds() - start,
                            GptqOf(ctx.spec().method) != nullptr ? SolvesFlop(ctx, kept) : 0);
  return absl::OkStatus();
}

// The seconds of the two phases that take turns in every layer.
class Turns {
 public:
  explicit Turns(Reporter* reporter) : reporter_(reporter), last_(reporter->Seconds()) {}

  // What has passed since the last of these calls belongs to that phase.
  void Teacher() { Add(&teacher_); }
  void Solve() { Add(&solve_); }
  double teacher() const { return teacher_; }
  double solve() const { return solve_; }

 private:
  void Add(double* phase) {
    const double now = reporter_->Seconds();
    *phase += now - last_;
    last_ = now;
  }

  Reporter* reporter_;
  double last_;
  double teacher_ = 0, solve_ = 0;
};

// Takes the windows through a layer that is solved on the way: what its linears read comes from the
// quantized linears before them, those of the same layer too.
absl::StatusOr<SolvedLayer> SolveOnTheWay(const RankContext& ctx, int64_t layer,
                                          DecoderLayer* decoder, LayerWalk* walk, Turns* turns) {
  const double before = turns->solve();
  LayerStatistics statistics(ctx, layer);
  SolvedLayer solved;
  for (const Block block : kBlocks) {
    for (const int input : InputsOf(block)) {
      if (statistics.needs(input)) {
        RETURN_IF_ERROR(walk->Observe(*decoder, layer, input, &statistics));
      }
      turns->Teacher();
      const size_t first = solved.linears.size();
      RETURN_IF_ERROR(QuantizeInput(ctx, layer, input, &statistics, &solved));
      RETURN_IF_ERROR(ReplaceWeights(solved.linears, first, ctx.storage_dtype, decoder));
      turns->Solve();
    }
    RETURN_IF_ERROR(walk->Step(*decoder, layer, block, nullptr));
    turns->Teacher();
  }
  ReportLayer(ctx, layer, turns->solve() - before, solved);
  return solved;
}

// The same for a layer that is solved already.
absl::StatusOr<SolvedLayer> PassSolved(const RankContext& ctx, const KeptLayers& kept,
                                       int64_t layer, DecoderLayer* decoder, LayerWalk* walk,
                                       Turns* turns) {
  ASSIGN_OR_RETURN(SolvedLayer solved, kept.Load(layer));
  RETURN_IF_ERROR(ReplaceWeights(solved.linears, /*first=*/0, ctx.storage_dtype, decoder));
  turns->Solve();
  for (const Block block : kBlocks) {
    RETURN_IF_ERROR(walk->Step(*decoder, layer, block, nullptr));
  }
  turns->Teacher();
  return solved;
}

double WalkFlop(const RankContext& ctx, const KeptLayers& kept, int64_t tokens) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    flop += kept.has(layer) ? ForwardFlop(ctx.layout, tokens, 1)
                            : SequentialForwardFlop(ctx.layout, tokens, 1);
  }
  return flop;
}

}  // namespace

absl::Status QuantizeIndependentLayers(const RankContext& ctx, const at::Tensor& calibration,
                                       const LayerSink& sink) {
  ASSIGN_OR_RETURN(const KeptLayers kept, KeptLayers::Find(ctx, calibration));
  StageStatistics statistics(ctx.layers());
  if (GptqOf(ctx.spec().method) != nullptr && !kept.complete()) {
    ASSIGN_OR_RETURN(statistics, TeacherPass(ctx, kept, calibration));
  }
  return FinishLayers(ctx, kept, std::move(statistics), sink);
}

absl::Status QuantizeSequentialLayers(const RankContext& ctx, const at::Tensor& calibration,
                                      const LayerSink& sink) {
  ASSIGN_OR_RETURN(const KeptLayers kept, KeptLayers::Find(ctx, calibration));
  if (kept.complete()) return FinishLayers(ctx, kept, StageStatistics(ctx.layers()), sink);
  ASSIGN_OR_RETURN(LayerWalk walk, LayerWalk::Start(ctx, calibration));
  Turns turns(ctx.reporter);
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    ASSIGN_OR_RETURN(const std::unique_ptr<Stage> one, LoadOneLayer(ctx, layer, ctx.dtype));
    DecoderLayer* decoder = one->layers().front().get();
    turns.Teacher();
    SolvedLayer solved;
    if (kept.has(layer)) {
      ASSIGN_OR_RETURN(solved, PassSolved(ctx, kept, layer, decoder, &walk, &turns));
    } else {
      ASSIGN_OR_RETURN(solved, SolveOnTheWay(ctx, layer, decoder, &walk, &turns));
      RETURN_IF_ERROR(kept.Save(layer, solved));
    }
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
    turns.Solve();
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  RETURN_IF_ERROR(walk.PassOn());
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(Phase::kTeacher, turns.teacher(),
                            WalkFlop(ctx, kept, tokens) + HessiansFlop(ctx, kept, tokens));
  ctx.reporter->ReportPhase(Phase::kInitialise, turns.solve(), SolvesFlop(ctx, kept));
  return absl::OkStatus();
}

}  // namespace rondo
