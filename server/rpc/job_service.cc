#include "server/rpc/job_service.h"

#include <chrono>

#include "absl/cleanup/cleanup.h"
#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "proto/rpc/status.h"

namespace rondo {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kHeartbeat(15);
// How soon the end of a client is noticed.
constexpr seconds kCancelCheck(1);
// When a queue, or a disk, that is full is worth another try.
constexpr absl::Duration kQueueRetry = absl::Seconds(30);

}  // namespace

grpc::Status JobServiceHandler::SubmitJob(grpc::ServerContext* context,
                                          const v1::SubmitJobRequest* request,
                                          v1::SubmitJobResponse* response) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.JobService/SubmitJob");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<JobSpec> spec = FromProto(request->spec());
  if (!spec.ok()) return ToGrpc(spec.status());
  const absl::Status allowed = gate_->CheckPaths(*spec);
  if (!allowed.ok()) return ToGrpc(allowed);
  const absl::Status before_others = Gate::CheckPriority(*caller, *spec);
  if (!before_others.ok()) return ToGrpc(before_others);
  const absl::StatusOr<Submission> submission =
      coordinator_->Submit(request->request_id(), *spec, gate_->SubmitterOf(*caller));
  if (absl::IsResourceExhausted(submission.status())) {
    return ToGrpc(WithRetryDelay(submission.status(), kQueueRetry));
  }
  if (!submission.ok()) return ToGrpc(submission.status());
  *response->mutable_job() = ToProto(submission->job);
  response->set_existed(submission->existed);
  return grpc::Status::OK;
}

grpc::Status JobServiceHandler::ValidateJob(grpc::ServerContext* context,
                                            const v1::ValidateJobRequest* request,
                                            v1::ValidateJobResponse* response) {
  const absl::StatusOr<Principal> caller =
      gate_->Admit(*context, "rondo.v1.JobService/ValidateJob");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<JobSpec> spec = FromProto(request->spec());
  if (!spec.ok()) return ToGrpc(spec.status());
  const absl::Status allowed = gate_->CheckPaths(*spec);
  if (!allowed.ok()) return ToGrpc(allowed);
  const absl::Status before_others = Gate::CheckPriority(*caller, *spec);
  if (!before_others.ok()) return ToGrpc(before_others);
  const absl::StatusOr<Plan> plan = coordinator_->ValidateJob(*spec);
  if (!plan.ok()) return ToGrpc(plan.status());
  *response->mutable_plan() = ToProto(*plan);
  return grpc::Status::OK;
}

grpc::Status JobServiceHandler::GetJob(grpc::ServerContext* context,
                                       const v1::GetJobRequest* request,
                                       v1::GetJobResponse* response) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.JobService/GetJob");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<Job> job = coordinator_->Get(JobId(request->job_id()));
  if (!job.ok()) return ToGrpc(job.status());
  *response->mutable_job() = ToProto(*job);
  return grpc::Status::OK;
}

grpc::Status JobServiceHandler::ListJobs(grpc::ServerContext* context,
                                         const v1::ListJobsRequest* request,
                                         v1::ListJobsResponse* response) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.JobService/ListJobs");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<JobList> list =
      coordinator_->List(request->page_size(), request->page_token());
  if (!list.ok()) return ToGrpc(list.status());
  for (const Job& job : list->jobs) *response->add_jobs() = ToProto(job);
  response->set_next_page_token(list->next_page_token);
  return grpc::Status::OK;
}

grpc::Status JobServiceHandler::WatchJob(grpc::ServerContext* context,
                                         const v1::WatchJobRequest* request,
                                         grpc::ServerWriter<v1::WatchJobResponse>* writer) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.JobService/WatchJob");
  if (!caller.ok()) return ToGrpc(caller.status());
  ++watch_streams_;
  const absl::Cleanup closed = [this] { --watch_streams_; };
  const JobId id(request->job_id());
  int64_t after = request->after_event();
  auto last_sent = steady_clock::now();
  while (!context->IsCancelled()) {
    const absl::StatusOr<EventBatch> batch = coordinator_->WaitForEvents(id, after, kCancelCheck);
    if (!batch.ok()) return ToGrpc(batch.status());
    for (const JobEvent& event : batch->events) {
      v1::WatchJobResponse response;
      *response.mutable_event() = ToProto(event);
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
      after = event.number;
      last_sent = steady_clock::now();
    }
    if (batch->ended) return grpc::Status::OK;
    if (steady_clock::now() - last_sent < kHeartbeat) continue;
    if (!writer->Write(v1::WatchJobResponse())) return grpc::Status::CANCELLED;
    last_sent = steady_clock::now();
  }
  return grpc::Status::CANCELLED;
}

grpc::Status JobServiceHandler::CancelJob(grpc::ServerContext* context,
                                          const v1::CancelJobRequest* request,
                                          v1::CancelJobResponse* response) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.JobService/CancelJob");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<Job> job = coordinator_->Cancel(JobId(request->job_id()), caller->name);
  if (!job.ok()) return ToGrpc(job.status());
  *response->mutable_job() = ToProto(*job);
  return grpc::Status::OK;
}

grpc::Status FleetServiceHandler::ListWorkers(grpc::ServerContext* context,
                                              const v1::ListWorkersRequest*,
                                              v1::ListWorkersResponse* response) {
  const absl::StatusOr<Principal> caller =
      gate_->Admit(*context, "rondo.v1.FleetService/ListWorkers");
  if (!caller.ok()) return ToGrpc(caller.status());
  for (const WorkerInfo& worker : coordinator_->ListWorkers()) {
    *response->add_workers() = ToProto(worker);
  }
  return grpc::Status::OK;
}

}  // namespace rondo
