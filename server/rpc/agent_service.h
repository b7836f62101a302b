// AgentService: one stream an agent. The handler's thread reads; a thread of the stream writes
// what the coordinator queues. Thread-safe.
#pragma once

#include <set>

#include "common/base/mutex.h"
#include "rondo/v1/agent.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/rpc/gate.h"

namespace rondo {

class AgentServiceHandler final : public v1::AgentService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::AgentMessage>;

  AgentServiceHandler(Coordinator* coordinator, Gate* gate)
      : coordinator_(coordinator), gate_(gate) {}

  grpc::Status Attach(grpc::ServerContext* context, Stream* stream) override;

  // Ends all streams, now and later: they would outlast any deadline.
  void CloseStreams();

 private:
  class Link;
  // From the hello to the end of the stream.
  absl::Status Serve(grpc::ServerContext* context, Stream* stream);
  absl::Status Handle(const AgentSession& session, const v1::AgentMessage& message, Link* link);
  bool Register(grpc::ServerContext* context);
  void Unregister(grpc::ServerContext* context);

  Coordinator* const coordinator_;
  Gate* const gate_;
  Mutex mu_;
  std::set<grpc::ServerContext*> open_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace rondo
