#include "client/cli/session.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace rondo {
namespace {

constexpr auto kPollPause = std::chrono::milliseconds(20);

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const Globals& globals,
                                                       const std::string& folder) {
  auto session = std::make_unique<Session>();
  ConnectionOptions server = globals.server;
  if (!globals.server_given) {
    ASSIGN_OR_RETURN(session->embedded_, EmbeddedService::Start(folder, globals.download_dir,
                                                                globals.download_quota_bytes));
    server = {.address = session->embedded_->address()};
  }
  ASSIGN_OR_RETURN(session->client_, RondoClient::Connect(server));
  return session;
}

absl::StatusOr<rondo::Plan> Session::Plan(const JobSpec& spec) {
  absl::StatusOr<rondo::Plan> plan = client_->Validate(spec);
  if (!plan.ok() || embedded_ == nullptr) return plan;
  const auto lost = std::make_shared<std::promise<absl::Status>>();
  RETURN_IF_ERROR(embedded_->StartWorkers(
      spec.workers, [lost](const absl::Status& how) { lost->set_value(how); }));
  std::future<absl::Status> how = lost->get_future();
  while (how.wait_for(kPollPause) == std::future_status::timeout) {
    ASSIGN_OR_RETURN(const std::vector<WorkerInfo> attached, client_->ListWorkers());
    if (static_cast<int>(attached.size()) == spec.workers) return client_->Validate(spec);
  }
  return how.get();
}

absl::StatusOr<FollowedJob> Session::Run(const JobSpec& spec, const std::string& request_id,
                                         bool json, Canceller* canceller) {
  if (embedded_ != nullptr) {
    // Refused before anything is started.
    RETURN_IF_ERROR(client_->Validate(spec).status());
    RETURN_IF_ERROR(embedded_->StartWorkers(
        spec.workers, [canceller](const absl::Status& how) { canceller->Cancel(how); }));
  }
  absl::StatusOr<FollowedJob> followed =
      SubmitAndFollow(client_.get(), spec, request_id, json, canceller);
  // A signal may have come just too late; a lost worker is why the job was cancelled.
  const absl::Status reason = canceller->reason();
  if (!reason.ok() && (!followed.ok() || followed->job.state == JobState::kCancelled)) {
    return reason;
  }
  return followed;
}

namespace {

// Stages that take turns, or train, are no faster than one with all of the machine's cores.
int LocalWorkers(const MethodSettings& method) {
  const auto* learned = std::get_if<LearnedRoundingSettings>(&method);
  if (learned != nullptr) return std::max(1, learned->training.replicas);
  return IsSequential(method) ? 1 : DefaultWorkers();
}

}  // namespace

void ChooseCompute(const Globals& globals, const MethodSettings& method, ComputeOptions* compute) {
  if (globals.server_given) return;
  if (compute->workers == 0) compute->workers = LocalWorkers(method);
  if (compute->threads == 0) compute->threads = DefaultThreads(compute->workers);
}

}  // namespace rondo
