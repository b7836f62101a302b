// ArtifactService over a Coordinator: lists, and streams files in chunks. Thread-safe.
#pragma once

#include "rondo/v1/service.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/rpc/gate.h"

namespace rondo {

class ArtifactServiceHandler final : public v1::ArtifactService::Service {
 public:
  ArtifactServiceHandler(Coordinator* coordinator, Gate* gate)
      : coordinator_(coordinator), gate_(gate) {}

  grpc::Status ListArtifacts(grpc::ServerContext* context, const v1::ListArtifactsRequest* request,
                             v1::ListArtifactsResponse* response) override;
  grpc::Status DownloadArtifact(grpc::ServerContext* context,
                                const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override;

 private:
  Coordinator* const coordinator_;
  Gate* const gate_;
};

}  // namespace rondo
