// ArtifactService over a Coordinator: lists, and streams files in chunks. Thread-safe.
#pragma once

#include "rondo/v1/service.grpc.pb.h"
#include "server/core/coordinator.h"

namespace rondo {

class ArtifactServiceHandler final : public v1::ArtifactService::Service {
 public:
  explicit ArtifactServiceHandler(Coordinator* coordinator) : coordinator_(coordinator) {}

  grpc::Status ListArtifacts(grpc::ServerContext* context, const v1::ListArtifactsRequest* request,
                             v1::ListArtifactsResponse* response) override;
  grpc::Status DownloadArtifact(grpc::ServerContext* context,
                                const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override;

 private:
  Coordinator* const coordinator_;
};

}  // namespace rondo
