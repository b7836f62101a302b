#include "server/core/planner.h"

#include <algorithm>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/domain/overrides.h"
#include "server/core/disk_bytes.h"
#include "server/core/stage_memory.h"

namespace rondo {
namespace {

// Of one boundary, while training end to end: hidden states forward, their gradients backward.
double TrainingWireBytes(const LearnedRoundingSettings& learned, const JobSpec& spec,
                         const ModelFacts& facts, DType dtype) {
  const TrainingSettings& training = learned.training;
  if (training.objective == Objective::kBlock) return 0;
  const int64_t window = spec.calibration.seq_len * facts.config.hidden_size * BytesOf(dtype);
  return 2.0 * static_cast<double>(training.steps * training.batch) * static_cast<double>(window);
}

// Hidden states that cross each of the boundaries between stages. In floating point, since the most
// that a spec may ask for is beyond int64; exact below 2^53.
int64_t WireBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan) {
  constexpr double kMost = int64_t{1} << 62;
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  // Statistics of GPTQ, and the teacher's states.
  const int passes = (GptqOf(spec.method) != nullptr ? 1 : 0) + (learned != nullptr ? 1 : 0);
  double per_boundary =
      static_cast<double>(passes * spec.calibration.samples * spec.calibration.seq_len *
                          facts.config.hidden_size * BytesOf(plan.dtype));
  // The original, the quantized model, and the one that training starts from.
  const int models = (spec.evaluation.original ? 1 : 0) +
                     (std::holds_alternative<EvaluateOnly>(spec.method) ? 0 : 1) +
                     (learned != nullptr ? 1 : 0);
  for (const int64_t windows : facts.evaluation_windows) {
    per_boundary += static_cast<double>(models * windows * spec.evaluation.seq_len *
                                        facts.config.hidden_size * kFloatBytes);
  }
  if (learned != nullptr)
    per_boundary += TrainingWireBytes(*learned, spec, facts, plan.training_dtype);
  const double boundaries = static_cast<double>(plan.stages.size()) - 1;
  return static_cast<int64_t>(std::min(kMost, per_boundary * boundaries));
}

std::string Gibibytes(int64_t bytes) { return absl::StrFormat("%.1f GiB", bytes / 1073741824.0); }

// The workers that the plan's ranks run on, as far as they are known.
size_t KnownRanks(const std::vector<WorkerInfo>& workers, const Plan& plan) {
  return std::min(workers.size(), static_cast<size_t>(WorldSize(plan)));
}

int64_t BytesOfRank(const Plan& plan, size_t rank) {
  return plan.stages[rank % plan.stages.size()].memory_bytes;
}

std::vector<std::string> Notes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan,
                               const std::vector<WorkerInfo>& workers) {
  std::vector<std::string> notes;
  if (plan.sequential && plan.stages.size() > 1) {
    notes.push_back(absl::StrCat("layers are sequential with propagate quantized: the ",
                                 plan.stages.size(),
                                 " stages take turns, so they are no faster than one"));
  }
  if (spec.compute.dtype == DType::kAuto && workers.empty()) {
    notes.push_back(
        "no worker is attached; dtype is float32 here and chosen again when the job starts");
  }
  if (std::count(facts.evaluation_windows.begin(), facts.evaluation_windows.end(), 0) > 0) {
    notes.push_back("wire_bytes leaves out evaluation texts whose tokens are not counted yet");
  }
  const std::vector<std::string> no_room = RoomNotes(workers, plan);
  notes.insert(notes.end(), no_room.begin(), no_room.end());
  return notes;
}

}  // namespace

bool HasRoom(const WorkerInfo& worker, int64_t bytes) {
  return worker.memory_bytes == 0 || bytes <= worker.memory_bytes;
}

std::vector<std::string> RoomNotes(const std::vector<WorkerInfo>& workers, const Plan& plan) {
  std::vector<std::string> notes;
  for (size_t rank = 0; rank < KnownRanks(workers, plan); ++rank) {
    const WorkerInfo& worker = workers[rank];
    const int64_t needed = BytesOfRank(plan, rank);
    if (HasRoom(worker, needed)) continue;
    notes.push_back(absl::StrCat("stage ", rank % plan.stages.size(), " needs about ",
                                 Gibibytes(needed), ", but ", worker.device, " of worker ",
                                 worker.id.value(), " has ", Gibibytes(worker.memory_bytes)));
  }
  return notes;
}

// On CPUs bfloat16 moves W4 per row of the demo model by more than 3 % (docs/results.md), so it is
// not taken there unless asked for; on GPUs float32 would be ten times slower.
DType ResolveDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers) {
  if (spec.compute.dtype != DType::kAuto) return spec.compute.dtype;
  const bool gpus =
      !workers.empty() && std::all_of(workers.begin(), workers.end(), [](const WorkerInfo& w) {
        return w.bf16 && absl::StartsWith(w.device, "cuda");
      });
  return gpus && NeedsCalibration(spec.method) ? DType::kBFloat16 : DType::kFloat32;
}

std::vector<StagePlan> SplitLayers(int64_t layers, int stages) {
  const int64_t length = layers / stages;
  const int64_t longer = layers % stages;
  const int64_t first_longer = (stages - longer) / 2;
  std::vector<StagePlan> plan(stages);
  int64_t next = 0;
  for (int stage = 0; stage < stages; ++stage) {
    const bool extra = stage >= first_longer && stage < first_longer + longer;
    plan[stage].first_layer = next;
    next += length + (extra ? 1 : 0);
    plan[stage].end_layer = next;
  }
  return plan;
}

DType ResolveTrainingDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr) return DType::kFloat32;
  if (learned->training.dtype != DType::kAuto) return learned->training.dtype;
  const bool fast = !workers.empty() && std::all_of(workers.begin(), workers.end(),
                                                    [](const WorkerInfo& w) { return w.bf16; });
  return fast ? DType::kBFloat16 : DType::kFloat32;
}

// Without workers, of the larger kind.
int64_t RankBytes(const std::vector<WorkerInfo>& workers) {
  int64_t bytes = workers.empty() ? kRankBytesWithCuda : 0;
  for (const WorkerInfo& worker : workers) bytes = std::max(bytes, worker.rank_bytes);
  return bytes;
}

void SetMemory(const JobSpec& spec, const ModelFacts& facts, int64_t rank_bytes, Plan* plan) {
  for (size_t stage = 0; stage < plan->stages.size(); ++stage) {
    plan->stages[stage].memory_bytes =
        rank_bytes + StageMemory(spec, facts, *plan, static_cast<int>(stage));
  }
}

bool Fits(const Plan& plan, const std::vector<WorkerInfo>& workers) {
  for (size_t rank = 0; rank < KnownRanks(workers, plan); ++rank) {
    if (!HasRoom(workers[rank], BytesOfRank(plan, rank))) return false;
  }
  return true;
}

// Replicas before stages: they share a step's windows and never wait for one another within one.
// Each of them holds all layers, so they must have room.
Plan PlanStages(const JobSpec& spec, const ModelFacts& facts, const std::vector<GangShape>& shapes,
                const std::vector<WorkerInfo>& workers) {
  Plan plan;
  plan.sequential = IsSequential(spec.method);
  plan.dtype = ResolveDType(spec, workers);
  plan.training_dtype = ResolveTrainingDType(spec, workers);
  const int64_t rank_bytes = RankBytes(workers);
  for (const GangShape& shape : shapes) {
    plan.stages = SplitLayers(facts.config.num_layers, shape.stages);
    plan.replicas = shape.replicas;
    plan.keep_graphs = std::holds_alternative<LearnedRoundingSettings>(spec.method);
    SetMemory(spec, facts, rank_bytes, &plan);
    if (Fits(plan, workers)) break;
    plan.keep_graphs = false;
    SetMemory(spec, facts, rank_bytes, &plan);
    if (Fits(plan, workers)) break;
  }
  return plan;
}

Plan MakePlan(const JobSpec& spec, const ModelFacts& facts, const std::vector<GangShape>& shapes,
              const std::vector<WorkerInfo>& workers) {
  Plan plan = PlanStages(spec, facts, shapes, workers);
  if (NeedsCalibration(spec.method)) {
    plan.micro_batches =
        (spec.calibration.samples + spec.compute.micro_batch - 1) / spec.compute.micro_batch;
  }
  plan.wire_bytes = WireBytes(spec, facts, plan);
  plan.checkpoint_bytes = facts.checkpoint_bytes;
  if (!std::holds_alternative<EvaluateOnly>(spec.method)) {
    plan.quantized_weights = QuantizedWeights(facts, spec);
  }
  for (const ExportFormat format : spec.exports) {
    plan.export_bytes += ExportBytes(facts, spec, format);
  }
  plan.scratch_bytes = ScratchBytes(facts, spec);
  plan.override_layers = CountMatches(spec.overrides, facts.layout, facts.config.num_layers);
  plan.notes = Notes(spec, facts, plan, workers);
  return plan;
}

}  // namespace rondo
