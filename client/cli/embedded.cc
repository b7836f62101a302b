#include "client/cli/embedded.h"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/io/file.h"
#include "common/io/user_cache.h"
#include "common/process/child_process.h"
#include "common/s3/s3_options.h"
#include "proto/rpc/connection.h"
#include "server/core/coordinator.h"
#include "server/rpc/server.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);  // a worker ends its rank first

int Cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace

int DefaultWorkers() { return std::min(2, Cores()); }
int DefaultThreads(int workers) { return std::max(1, Cores() / std::max(1, workers)); }

// Members are destroyed from the last to the first.
struct EmbeddedService::Impl {
  std::string artifact_root;
  SystemClock clock;
  std::unique_ptr<JobStore> store;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<Server> server;

  std::vector<std::unique_ptr<ChildProcess>> workers;
  std::vector<std::thread> watchers;  // one a worker
  Mutex mu;
  bool closing ABSL_GUARDED_BY(mu) = false;
  OnWorkerLost on_worker_lost ABSL_GUARDED_BY(mu);

  void WatchWorker(ChildProcess* worker);
};

void EmbeddedService::Impl::WatchWorker(ChildProcess* worker) {
  const absl::Status how = worker->Wait();
  OnWorkerLost tell;
  {
    MutexLock lock(&mu);
    if (closing) return;
    tell = std::exchange(on_worker_lost, nullptr);
  }
  if (tell == nullptr) return;
  tell(absl::InternalError(how.ok() ? "a worker ended by itself" : std::string(how.message())));
}

EmbeddedService::EmbeddedService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<EmbeddedService>> EmbeddedService::Start(
    const std::string& folder, const std::string& download_dir, int64_t download_quota_bytes) {
  SetLogLevel(LogLevel::kWarning);  // the events tell the rest
  auto impl = std::make_unique<Impl>();
  impl->artifact_root = JoinPath(folder, "artifacts");
  ASSIGN_OR_RETURN(impl->store, OpenSqliteJobStore(JoinPath(folder, "jobs.sqlite")));
  Coordinator::Options options;
  options.store = impl->store.get();
  options.clock = &impl->clock;
  options.artifact_root = impl->artifact_root;
  options.s3 = S3OptionsFromEnvironment();
  options.download_root = download_dir.empty() ? UserCacheDir("downloads") : download_dir;
  options.download_quota_bytes = download_quota_bytes;
  options.fixed_fleet = true;
  ASSIGN_OR_RETURN(impl->coordinator, Coordinator::Create(options));
  ASSIGN_OR_RETURN(impl->server, Server::Start({.listen_address = "127.0.0.1:0",
                                                .coordinator = impl->coordinator.get()}));
  return std::unique_ptr<EmbeddedService>(new EmbeddedService(std::move(impl)));
}

EmbeddedService::~EmbeddedService() {
  {
    MutexLock lock(&impl_->mu);
    impl_->closing = true;
  }
  SetLogLevel(LogLevel::kError);  // that the workers go is no news
  for (auto& worker : impl_->workers) worker->Stop(kGrace);
  for (std::thread& watcher : impl_->watchers) watcher.join();
}

absl::Status EmbeddedService::StartWorkers(int count, OnWorkerLost on_worker_lost) {
  SpawnOptions options{.environment = CurrentEnvironment()};
  // Those of a server that was named some other time; here workers come over loopback.
  std::erase_if(options.environment, IsConnectionVariable);
  // Credentials for S3 are the coordinator's; workers need none.
  std::erase_if(options.environment,
                [](const auto& variable) { return variable.starts_with("AWS_"); });
  ASSIGN_OR_RETURN(options.program, SiblingProgram("rondo-worker"));
  {
    MutexLock lock(&impl_->mu);
    impl_->on_worker_lost = std::move(on_worker_lost);
  }
  for (int i = 0; i < count; ++i) {
    options.args = {"--coordinator",       address(),     "--slot",
                    absl::StrCat(i),       "--log-level", "warning",
                    "--exit-on-disconnect"};
    ASSIGN_OR_RETURN(auto worker, ChildProcess::Start(absl::StrCat("worker ", i), options));
    impl_->watchers.emplace_back(
        [impl = impl_.get(), raw = worker.get()] { impl->WatchWorker(raw); });
    impl_->workers.push_back(std::move(worker));
  }
  return absl::OkStatus();
}

std::string EmbeddedService::address() const { return impl_->server->address(); }

std::string EmbeddedService::FormatFolder(const JobId& job, ExportFormat format) const {
  return JoinPath(JoinPath(impl_->artifact_root, job.value()), ExportFormatName(format));
}

}  // namespace rondo
