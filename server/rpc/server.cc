#include "server/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>

#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "proto/rpc/channel.h"
#include "server/core/coordinator_metrics.h"
#include "server/rpc/agent_service.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/call_counter.h"
#include "server/rpc/credentials.h"
#include "server/rpc/gate.h"
#include "server/rpc/job_service.h"

namespace rondo {
namespace {

constexpr int kMaxThreads = 2048;  // one a call in progress: watchers and agents hold one each
constexpr std::chrono::seconds kTick(1);
constexpr std::chrono::seconds kLongestStandstill(30);

// There is no MAX_CONNECTION_AGE: the life of an agent's stream is its lease.
void Configure(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder->SetMaxSendMessageSize(kMaxMessageBytes);
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

// Linking the reflection library puts it into every server of the process.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      return plugin->name() == "proto_server_reflection";
    });
  }
};

}  // namespace

struct Server::Impl {
  Impl(std::shared_ptr<Metrics> m, Coordinator* c, std::unique_ptr<Gate> g)
      : metrics(std::move(m)),
        coordinator(c),
        gate(std::move(g)),
        jobs(c, gate.get()),
        fleet(c, gate.get()),
        artifacts(c, gate.get()),
        agents(c, gate.get()) {}

  void TickUntilStopped() {
    MutexLock lock(&mu);
    while (!stopped) {
      if (wake.WaitFor(&mu, kTick)) continue;
      mu.Unlock();
      coordinator->Tick();  // stands still when the coordinator does
      gate->Reload();
      mu.Lock();
      last_tick = std::chrono::steady_clock::now();
    }
  }

  void AddMetrics() {
    AddCoordinatorMetrics(coordinator, metrics.get());
    metrics->AddReader(
        Metrics::Kind::kGauge, "rondo_watch_streams", "Streams of a job's events that are open.",
        [this] {
          return std::vector<MetricSample>{{{}, static_cast<double>(jobs.watch_streams())}};
        });
  }

  const std::shared_ptr<Metrics> metrics;
  Coordinator* const coordinator;
  const std::unique_ptr<Gate> gate;
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
  std::chrono::steady_clock::time_point last_tick ABSL_GUARDED_BY(mu) =
      std::chrono::steady_clock::now();
  std::thread ticker;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options) {
  const size_t colon = options.listen_address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address is \"", options.listen_address, "\"; it must be host:port"));
  }
  RETURN_IF_ERROR(CheckSecurity(options.listen_address, options.security));
  ASSIGN_OR_RETURN(std::unique_ptr<Gate> gate,
                   Gate::Create(options.security, options.metrics.get()));
  grpc::EnableDefaultHealthCheckService(true);
  auto impl = std::make_unique<Impl>(options.metrics, options.coordinator, std::move(gate));
  impl->host = options.listen_address.substr(0, colon);

  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  Configure(&builder);
  builder.AddListeningPort(options.listen_address,
                           MakeServerCredentials(options.security, impl->gate->principals()),
                           &impl->port);
  // Whoever can connect could call it.
  const bool tls = !options.security.certificate.empty();
  if (tls && !options.security.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  builder.RegisterService(&impl->jobs);
  builder.RegisterService(&impl->fleet);
  builder.RegisterService(&impl->artifacts);
  builder.RegisterService(&impl->agents);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallCounter>(impl->metrics.get()));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen_address,
                                               "; is another server using the port?"));
  }
  impl->AddMetrics();
  impl->ticker = std::thread([raw = impl.get()] { raw->TickUntilStopped(); });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { Shutdown(std::chrono::milliseconds(0)); }

int Server::port() const { return impl_->port; }
std::string Server::address() const { return absl::StrCat(impl_->host, ":", impl_->port); }

absl::Status Server::alive() const {
  MutexLock lock(&impl_->mu);
  const auto silence = std::chrono::steady_clock::now() - impl_->last_tick;
  if (impl_->stopped || silence < kLongestStandstill) return absl::OkStatus();
  return absl::InternalError("the coordinator stands still");
}

absl::Status Server::ready() const {
  {
    MutexLock lock(&impl_->mu);
    if (impl_->stopped) return absl::UnavailableError("the server is shutting down");
  }
  return impl_->coordinator->health();
}

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
