#include "worker/engine/rank.h"

#include <memory>
#include <utility>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "worker/engine/context.h"
#include "worker/engine/job.h"
#include "worker/model/catch_torch.h"
#include "worker/model/weights.h"

namespace rondo {
namespace {

constexpr absl::Duration kRendezvousTimeout = absl::Minutes(2);

at::ScalarType ScalarTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kBFloat16: return at::kBFloat16;
    case DType::kFloat16: return at::kHalf;
    default: return at::kFloat;
  }
}

at::ScalarType ScalarTypeOf(StorageType type) {
  switch (type) {
    case StorageType::kBF16: return at::kBFloat16;
    case StorageType::kF16: return at::kHalf;
    default: return at::kFloat;
  }
}

absl::StatusOr<std::unique_ptr<Communicator>> FormGang(const RankTask& task, at::Device device,
                                                       const RankDeps& deps) {
  const int size = WorldSize(task.plan);
  if (size == 1) return SingleRank();
  std::unique_ptr<Rendezvous> rendezvous;
  if (task.rank == 0) {
    ASSIGN_OR_RETURN(rendezvous, Listen(task.host, kRendezvousTimeout));
    RETURN_IF_ERROR(deps.report(RankListening{rendezvous->address()}));
  } else {
    ASSIGN_OR_RETURN(const std::string address, deps.wait_for_rendezvous());
    ASSIGN_OR_RETURN(rendezvous, Connect(address, kRendezvousTimeout));
  }
  GroupOptions options;
  options.rank = task.rank;
  options.size = size;
  options.host = task.host;
  options.generation = absl::StrCat(task.job.value(), "/", task.generation);
  options.device = device;
  return JoinGroup(std::move(rendezvous), options);
}

// A teacher in a folder of its own is read late; what is wrong with it is said before any compute.
absl::Status CheckTeacher(const JobSpec& spec) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  if (learned == nullptr || learned->training.teacher.path.empty()) return absl::OkStatus();
  const std::string& path = learned->training.teacher.path;
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(path));
  ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(path));
  ASSIGN_OR_RETURN(const ModelLayout layout, LayoutOf(config));
  return CheckLayout(checkpoint, config, layout);
}

// Replicas do the same as the first one on other data: of theirs only notes are news.
Reporter::Send ReportOf(const RankTask& task, const RankDeps& deps) {
  if (task.rank < static_cast<int>(task.plan.stages.size())) return deps.report;
  return [&deps](const RankReport& report) {
    const auto* event = std::get_if<JobEvent>(&report);
    const bool news = event == nullptr || std::holds_alternative<Note>(event->body);
    return news ? deps.report(report) : absl::OkStatus();
  };
}

}  // namespace

absl::Status RunRank(const RankTask& task, const RankDeps& deps) {
  return CatchTorch("rank", [&]() -> absl::Status {
    at::set_num_threads(task.spec.compute.threads_per_rank);
    at::globalContext().setAllowTF32CuBLAS(false);
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(task.spec.model.path));
    Reporter reporter(task.rank, deps.clock, at::Device(task.device), ReportOf(task, deps));
    RankContext ctx;
    ctx.task = &task;
    ctx.reporter = &reporter;
    ctx.checkpoint = &checkpoint;
    ctx.stages = task.plan.stages;
    ctx.device = at::Device(task.device);
    ctx.dtype = ScalarTypeOf(task.plan.dtype);
    ASSIGN_OR_RETURN(ctx.config, ReadModelConfig(task.spec.model.path));
    ASSIGN_OR_RETURN(ctx.layout, LayoutOf(ctx.config));
    RETURN_IF_ERROR(CheckLayout(checkpoint, ctx.config, ctx.layout));
    RETURN_IF_ERROR(CheckTeacher(task.spec));
    ctx.storage_dtype = ScalarTypeOf(WeightType(checkpoint, ctx.layout));
    ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> comm, FormGang(task, ctx.device, deps));
    ctx.comm = comm.get();
    return RunJob(ctx);
  });
}

}  // namespace rondo
