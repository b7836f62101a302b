// rondo-server: the coordinator as a process of its own.
#include <signal.h>
#include <unistd.h>

#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/file.h"
#include "common/metrics/metrics.h"
#include "common/metrics/process_metrics.h"
#include "common/s3/s3_options.h"
#include "server/core/coordinator.h"
#include "server/http/health_pages.h"
#include "server/rpc/server.h"
#include "server/store/metered_job_store.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

constexpr std::chrono::seconds kShutdownGrace(5);

struct Flags {
  std::string listen = "127.0.0.1:50051";
  std::string state_dir;
  std::string artifact_dir;
  std::string download_dir;
  int64_t download_quota = 0;
  std::string health_listen;
  SecurityOptions security;
  double lease_seconds = 30;
  double stall_seconds = absl::ToDoubleSeconds(Coordinator::Options{}.stall);
  LogLevel log_level = LogLevel::kInfo;
};

void DeclareSecurity(CLI::App* app, SecurityOptions* security) {
  app->add_option("--tls-cert", security->certificate,
                  "FILE of the server's certificate and its chain (PEM); without it the server is "
                  "plaintext");
  app->add_option("--tls-key", security->key, "FILE of its private key (PEM)");
  app->add_option("--tls-client-ca", security->client_authorities,
                  "FILE of the authorities (PEM) whose certificates of clients are accepted");
  app->add_option("--principals", security->principals,
                  "FILE of who may do what, by token or certificate (docs/security.md)");
  app->add_option("--model-root", security->model_roots,
                  "DIR or s3://BUCKET/PREFIX in which jobs may read models and data; repeatable; "
                  "default everything");
  app->add_option("--requests-per-second", security->requests_per_second,
                  "Calls of one principal, with bursts of twice as many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--max-queued-jobs", security->max_queued_jobs,
                  "Jobs of one principal that wait at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_flag("--reflection", security->reflection,
                "With TLS: describe the services to whoever can connect");
  app->add_flag("--insecure", security->insecure,
                "Allow a plaintext --listen address beyond this machine");
}

// Until SIGTERM or SIGINT, or until the store fails. The signals are blocked in every thread.
absl::Status WaitForEnd(const sigset_t& signals, Coordinator* coordinator) {
  const timespec second = {1, 0};
  while (sigtimedwait(&signals, nullptr, &second) < 0) RETURN_IF_ERROR(coordinator->health());
  return absl::OkStatus();
}

void AddBuildInfo(Metrics* metrics) {
  metrics->AddReader(Metrics::Kind::kGauge, "rondo_build_info", "1; what runs is in the labels.",
                     [] {
                       return std::vector<MetricSample>{
                           {{{"version", RONDO_VERSION}, {"grpc_version", grpc::Version()}}, 1}};
                     });
}

absl::Status Serve(const Flags& flags, const sigset_t& signals) {
  RETURN_IF_ERROR(CheckSecurity(flags.listen, flags.security));
  RETURN_IF_ERROR(MakeDirs(flags.state_dir));
  const auto metrics = std::make_shared<Metrics>();
  AddProcessMetrics(metrics.get());
  AddBuildInfo(metrics.get());
  ASSIGN_OR_RETURN(std::unique_ptr<JobStore> sqlite,
                   OpenSqliteJobStore(JoinPath(flags.state_dir, "rondo.db")));
  const std::unique_ptr<JobStore> store = MeterJobStore(std::move(sqlite), metrics.get());
  const SystemClock clock;
  Coordinator::Options options{store.get(), &clock};
  options.artifact_root =
      flags.artifact_dir.empty() ? JoinPath(flags.state_dir, "artifacts") : flags.artifact_dir;
  options.worker_silence = absl::Seconds(flags.lease_seconds);
  options.s3 = S3OptionsFromEnvironment();
  options.download_root = flags.download_dir;
  options.download_quota_bytes = flags.download_quota;
  options.stall = absl::Seconds(flags.stall_seconds);
  ASSIGN_OR_RETURN(const std::unique_ptr<Coordinator> coordinator, Coordinator::Create(options));
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                   Server::Start({flags.listen, coordinator.get(), flags.security, metrics}));
  std::unique_ptr<HealthPages> pages;  // until the drain is over
  if (!flags.health_listen.empty()) {
    ASSIGN_OR_RETURN(pages, HealthPages::Start(flags.health_listen,
                                               {.alive = [&] { return server->alive(); },
                                                .ready = [&] { return server->ready(); },
                                                .metrics = [&] { return metrics->Text(); }}));
    LogInfo("server", "health and metrics on http://" + pages->address());
  }
  LogInfo("server", "rondo-server listening on " + server->address());
  absl::Status end = WaitForEnd(signals, coordinator.get());
  LogInfo("server", "shutting down");
  server->Shutdown(kShutdownGrace);
  return end;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("The coordinator of Rondo: takes quantization jobs and spreads them over workers");
  app.add_option("--listen", flags.listen, "host:port to serve on; port 0: any that is free")
      ->capture_default_str();
  app.add_option("--state-dir", flags.state_dir, "folder of the job store; made if missing")
      ->required();
  app.add_option("--artifact-dir", flags.artifact_dir,
                 "folder of the artifacts, shared with the workers; default <state-dir>/artifacts");
  app.add_option("--download-dir", flags.download_dir,
                 "folder of what jobs name in s3:// (docs/s3.md), shared with the workers; default "
                 "<artifact-dir>/downloads")
      ->envname("RONDO_DOWNLOAD_DIR");
  app.add_option("--download-quota", flags.download_quota,
                 "SIZE, as 200GB, of all that is in it; what no job needs goes when others need "
                 "the room; default: as much as the disk has room for")
      ->envname("RONDO_DOWNLOAD_QUOTA")
      ->transform(CLI::AsSizeValue(true));
  app.add_option("--health-listen", flags.health_listen,
                 "host:port of /healthz and /readyz, for probes, and /metrics, over HTTP; default "
                 "none");
  DeclareSecurity(&app, &flags.security);
  app.add_option("--lease", flags.lease_seconds,
                 "seconds of silence after which a worker is lost, and ends its ranks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--stall", flags.stall_seconds,
                 "seconds in which no rank of a job reports anything, after which it is taken up "
                 "again by a new gang")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(levels));
  CLI11_PARSE(app, argc, argv);
  SetLogLevel(flags.log_level);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a write that fails, in words
  const absl::Status end = Serve(flags, signals);
  if (end.ok()) return 0;
  std::cerr << "rondo-server: " << end.message() << std::endl;
  return 1;
}

}  // namespace
}  // namespace rondo

// Memory that runs out ends the program. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return rondo::Main(argc, argv); }
