#include "worker/runtime/rank_supervisor.h"

#include <utility>
#include <variant>

#include "common/base/log.h"

namespace rondo {

std::string RankName(const RankTask& task) {
  return absl::StrCat("rank ", task.rank, " of job ", task.job.value());
}

absl::StatusOr<std::unique_ptr<RankSupervisor>> RankSupervisor::Start(
    const RankTask& task, const SupervisorOptions& options, Sink sink) {
  RankLaunch launch{.program = options.program,
                    .name = RankName(task),
                    .threads = task.spec.compute.threads_per_rank};
  if (!options.log_dir.empty()) {
    launch.log_path = absl::StrCat(options.log_dir, "/", task.job.value(), "-g", task.generation,
                                   "-r", task.rank, ".log");
  }
  ASSIGN_OR_RETURN(auto process, RankProcess::Start(launch));
  std::unique_ptr<RankSupervisor> supervisor(
      new RankSupervisor(launch.name, options, std::move(process), std::move(sink)));
  // A rank that died already is reported as such by the supervisor's thread.
  supervisor->process_->channel().Send(task).IgnoreError();
  supervisor->thread_ = std::thread([raw = supervisor.get()] { raw->Run(); });
  return supervisor;
}

RankSupervisor::RankSupervisor(std::string name, SupervisorOptions options,
                               std::unique_ptr<RankProcess> process, Sink sink)
    : name_(std::move(name)),
      options_(std::move(options)),
      process_(std::move(process)),
      sink_(std::move(sink)) {}

RankSupervisor::~RankSupervisor() { Stop(); }

absl::Status RankSupervisor::SendRendezvous(const std::string& address) {
  return process_->channel().SendRendezvous(address);
}

void RankSupervisor::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
  }
  process_->child().Stop(options_.grace);
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<RankFinished> RankSupervisor::HandOnReports() {
  absl::StatusOr<RankFinished> said =
      absl::UnavailableError(absl::StrCat(name_, " ended without saying how it went"));
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<RankReport> report,
                     process_->channel().Receive(options_.silence));
    if (!report.has_value()) return said;
    if (const auto* finished = std::get_if<RankFinished>(&*report)) {
      said = *finished;
    } else {
      sink_(*report);
    }
  }
}

absl::Status RankSupervisor::HowItEnded(const absl::StatusOr<RankFinished>& said) {
  if (absl::IsDeadlineExceeded(said.status())) {
    process_->child().Stop(absl::ZeroDuration());
    return absl::UnavailableError(absl::StrCat(name_, ": ", said.status().message()));
  }
  if (!process_->child().WaitFor(options_.grace)) process_->child().Stop(options_.grace);
  const absl::Status exit = process_->child().Wait();
  if (said.ok()) {
    if (!exit.ok()) LogWarning("agent", absl::StrCat(exit.message(), " after it had finished"));
    return said->status;
  }
  MutexLock lock(&mu_);
  if (stopped_) return absl::CancelledError(absl::StrCat(name_, " was stopped"));
  return exit.ok() ? said.status() : exit;
}

void RankSupervisor::Run() {
  const absl::Status status = HowItEnded(HandOnReports());
  LogInfo("agent", absl::StrCat(name_, status.ok() ? " finished" : " ended: ",
                                status.ok() ? "" : std::string(status.message())));
  sink_(RankFinished{status});
}

}  // namespace rondo
