#include "server/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "server/rpc/agent_service.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/job_service.h"

namespace rondo {
namespace {

constexpr int kMaxMessageBytes = 4 << 20;
constexpr int kMaxThreads = 2048;  // one a call in progress: watchers and agents hold one each
constexpr std::chrono::seconds kTick(1);

// There is no MAX_CONNECTION_AGE: the life of an agent's stream is its lease.
void Configure(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Clients ping every 30 s; by default the server would take that for abuse.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 20'000);
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("rondo-server");
  quota.SetMaxThreads(kMaxThreads);
  builder->SetResourceQuota(quota);
}

}  // namespace

struct Server::Impl {
  explicit Impl(Coordinator* c) : coordinator(c), jobs(c), fleet(c), artifacts(c), agents(c) {}

  void TickUntilStopped() {
    MutexLock lock(&mu);
    while (!stopped) {
      if (wake.WaitFor(&mu, kTick)) continue;
      coordinator->Tick();
    }
  }

  Coordinator* const coordinator;
  JobServiceHandler jobs;
  FleetServiceHandler fleet;
  ArtifactServiceHandler artifacts;
  AgentServiceHandler agents;
  std::unique_ptr<grpc::Server> server;
  std::string host;
  int port = 0;

  Mutex mu;
  CondVar wake;
  bool stopped ABSL_GUARDED_BY(mu) = false;
  std::thread ticker;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options) {
  const size_t colon = options.listen_address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address is \"", options.listen_address, "\"; it must be host:port"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>(options.coordinator);
  impl->host = options.listen_address.substr(0, colon);

  grpc::ServerBuilder builder;
  Configure(&builder);
  builder.AddListeningPort(options.listen_address, grpc::InsecureServerCredentials(), &impl->port);
  builder.RegisterService(&impl->jobs);
  builder.RegisterService(&impl->fleet);
  builder.RegisterService(&impl->artifacts);
  builder.RegisterService(&impl->agents);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen_address,
                                               "; is another server using the port?"));
  }
  impl->ticker = std::thread([raw = impl.get()] { raw->TickUntilStopped(); });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { Shutdown(std::chrono::milliseconds(0)); }

int Server::port() const { return impl_->port; }
std::string Server::address() const { return absl::StrCat(impl_->host, ":", impl_->port); }

void Server::Shutdown(std::chrono::milliseconds grace) {
  {
    MutexLock lock(&impl_->mu);
    if (impl_->stopped) return;
    impl_->stopped = true;
    impl_->wake.SignalAll();
  }
  impl_->ticker.join();
  impl_->server->GetHealthCheckService()->SetServingStatus(false);
  impl_->coordinator->Drain();
  impl_->agents.CloseStreams();
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
  impl_->server->Wait();
}

}  // namespace rondo
