// JobService and FleetService over a Coordinator: decode, call, encode. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "rondo/v1/service.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/rpc/gate.h"

namespace rondo {

class JobServiceHandler final : public v1::JobService::Service {
 public:
  JobServiceHandler(Coordinator* coordinator, Gate* gate)
      : coordinator_(coordinator), gate_(gate) {}

  grpc::Status SubmitJob(grpc::ServerContext* context, const v1::SubmitJobRequest* request,
                         v1::SubmitJobResponse* response) override;
  grpc::Status ValidateJob(grpc::ServerContext* context, const v1::ValidateJobRequest* request,
                           v1::ValidateJobResponse* response) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override;
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::CancelJobResponse* response) override;

  int64_t watch_streams() const { return watch_streams_; }  // that are open

 private:
  Coordinator* const coordinator_;
  Gate* const gate_;
  std::atomic<int64_t> watch_streams_ = 0;
};

class FleetServiceHandler final : public v1::FleetService::Service {
 public:
  FleetServiceHandler(Coordinator* coordinator, Gate* gate)
      : coordinator_(coordinator), gate_(gate) {}

  grpc::Status ListWorkers(grpc::ServerContext* context, const v1::ListWorkersRequest* request,
                           v1::ListWorkersResponse* response) override;

 private:
  Coordinator* const coordinator_;
  Gate* const gate_;
};

}  // namespace rondo
