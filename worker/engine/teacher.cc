#include "worker/engine/teacher.h"

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "worker/engine/flop.h"
#include "worker/engine/replicas.h"
#include "worker/engine/stream.h"
#include "worker/model/weights.h"

namespace rondo {
namespace {

// The teacher as a model of its own, its layers spread evenly over the gang's stages.
struct TeacherModel {
  Checkpoint checkpoint;
  RankContext ctx;
};

std::vector<StagePlan> SpreadEvenly(int64_t layers, int64_t stages) {
  std::vector<StagePlan> plan(stages);
  for (int64_t i = 0; i < stages; ++i) {
    plan[i].first_layer = layers * i / stages;
    plan[i].end_layer = layers * (i + 1) / stages;
  }
  return plan;
}

absl::StatusOr<std::unique_ptr<TeacherModel>> OpenOther(const RankContext& ctx,
                                                        const std::string& path) {
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(path));
  auto teacher = std::make_unique<TeacherModel>(TeacherModel{std::move(checkpoint), ctx});
  teacher->ctx.checkpoint = &teacher->checkpoint;
  ASSIGN_OR_RETURN(teacher->ctx.config, ReadModelConfig(path));
  ASSIGN_OR_RETURN(teacher->ctx.layout, LayoutOf(teacher->ctx.config));
  RETURN_IF_ERROR(CheckLayout(teacher->checkpoint, teacher->ctx.config, teacher->ctx.layout));
  teacher->ctx.stages =
      SpreadEvenly(teacher->ctx.config.num_layers, static_cast<int64_t>(ctx.stages.size()));
  return teacher;
}

struct CacheFile {
  std::string dir;
  std::string key;
  TeacherShape shape;
};

// True only if it is true on every rank.
absl::StatusOr<bool> AllAgree(const RankContext& ctx, bool own) {
  const at::Tensor against =
      at::full({1}, own ? 0 : 1, at::TensorOptions().dtype(at::kLong).device(ctx.device));
  ASSIGN_OR_RETURN(const at::Tensor sum, SumOverRanks(ctx, against));
  return sum.item<int64_t>() == 0;
}

// One pass of all windows through the teacher `of`, whose last stage fills the cache.
absl::Status FillCache(const RankContext& of, const Stage& stage, const at::Tensor& tokens,
                       const CacheFile& file) {
  const double begin = of.reporter->Seconds();
  std::unique_ptr<TeacherCacheWriter> writer;
  if (of.last()) {
    ASSIGN_OR_RETURN(
        writer, CreateTeacherCache(file.dir, file.key, file.shape, of.task->cache_quota_bytes));
  }
  const double temperature = LearnedSettings(of).training.temperature;
  Pass pass;
  pass.phase = Phase::kTeacher;
  pass.on_output = [&](const MicroBatch& batch, const at::Tensor& hidden) -> absl::Status {
    ASSIGN_OR_RETURN(const at::Tensor states, stage.FinalHidden(hidden));
    if (file.shape.top_k == 0) return writer->Put(batch.first, states[0]);
    ASSIGN_OR_RETURN(const at::Tensor logits, stage.Logits(hidden[0]));
    return writer->PutTopK(batch.first, MakeTopK(logits, temperature, file.shape.top_k));
  };
  RETURN_IF_ERROR(StreamWindows(of, stage, tokens, pass));
  if (of.last()) RETURN_IF_ERROR(writer->Finish());
  const double head = of.last() && file.shape.top_k > 0 ? HeadFlop(of.config, tokens.numel()) : 0;
  of.reporter->ReportPhase(Phase::kTeacher, of.reporter->Seconds() - begin,
                           ForwardFlop(of.layout, tokens.numel(), of.layers()) + head);
  return absl::OkStatus();
}

absl::StatusOr<CacheFile> CacheFileOf(const RankContext& of, const std::string& model_dir,
                                      const at::Tensor& tokens, int64_t width) {
  CacheFile file;
  file.dir = of.task->cache_dir;
  file.shape = {tokens.size(0), tokens.size(1), width, at::kBFloat16,
                LearnedSettings(of).training.top_k};
  // Hidden states serve every temperature.
  const double temperature = file.shape.top_k > 0 ? LearnedSettings(of).training.temperature : 0;
  ASSIGN_OR_RETURN(file.key, TeacherKey(model_dir, tokens, file.shape, temperature));
  return file;
}

absl::StatusOr<Teacher> OpenOrFill(const RankContext& of, const std::string& model_dir,
                                   const at::Tensor& tokens) {
  Teacher teacher;
  CacheFile file;
  if (of.last()) {
    // The head alone: nothing is known of the teacher yet but that it has one.
    const StageRange head = {0, 0, false, true};
    ASSIGN_OR_RETURN(const std::unique_ptr<Stage> ends,
                     LoadStage(*of.checkpoint, of.config, head, at::kFloat, of.device));
    ASSIGN_OR_RETURN(file, CacheFileOf(of, model_dir, tokens, of.config.embedding_dim));
    if (file.shape.top_k == 0) teacher.head = ends->head().to(ProductType(of));
    auto cache = OpenTeacherCache(file.dir, file.key, file.shape);
    const absl::Status& opened = cache.status();
    if (absl::IsDataLoss(opened)) {
      of.reporter->Warn(
          absl::StrCat("the teacher is computed again: ", std::string(opened.message())));
    }
    if (opened.ok()) teacher.cache = *std::move(cache);
  }
  ASSIGN_OR_RETURN(const bool cached, AllAgree(of, !of.last() || teacher.cache != nullptr));
  if (cached) return teacher;
  teacher.cache.reset();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(of, of.dtype));
  RETURN_IF_ERROR(FillCache(of, *stage, tokens, file));
  if (of.last()) {
    ASSIGN_OR_RETURN(teacher.cache, OpenTeacherCache(file.dir, file.key, file.shape));
  }
  return teacher;
}

}  // namespace

at::Tensor TrainedWindows(const RankContext& ctx, const at::Tensor& calibration) {
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  return calibration.narrow(0, 0, std::min(calibration.size(0), settings.steps * settings.batch));
}

absl::Status CheckTeacherRoom(const RankContext& ctx, const at::Tensor& tokens) {
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  if (!ctx.last() || settings.loss == TrainingLoss::kLanguageModel) return absl::OkStatus();
  const std::string& other = settings.teacher.path;
  const std::string& path = other.empty() ? ctx.spec().model.path : other;
  ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(path));
  ASSIGN_OR_RETURN(const CacheFile file, CacheFileOf(ctx, path, tokens, config.embedding_dim));
  if (HasTeacherCache(file.dir, file.key)) return absl::OkStatus();
  return CreateTeacherCache(file.dir, file.key, file.shape, ctx.task->cache_quota_bytes).status();
}

absl::StatusOr<Teacher> PrepareTeacher(const RankContext& ctx, const at::Tensor& tokens) {
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  if (settings.loss == TrainingLoss::kLanguageModel) return Teacher();
  const std::string& path = settings.teacher.path;
  if (path.empty()) return OpenOrFill(ctx, ctx.spec().model.path, tokens);
  ASSIGN_OR_RETURN(const std::unique_ptr<TeacherModel> other, OpenOther(ctx, path));
  return OpenOrFill(other->ctx, path, tokens);
}

}  // namespace rondo
