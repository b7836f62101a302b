// rondo-worker: the agent of one worker slot.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <map>
#include <thread>

#include "common/base/log.h"
#include "common/io/user_cache.h"
#include "worker/rpc/agent.h"
#include "worker/rpc/device.h"

namespace rondo {
namespace {

struct Flags {
  ConnectionOptions coordinator = {.address = "127.0.0.1:50051"};
  std::string id;
  std::string advertise_host;
  std::string device = "auto";
  int slot = 0;
  std::string rank_log_dir;
  std::string cache_dir;
  int64_t cache_quota = 0;
  bool exit_on_disconnect = false;
  LogLevel log_level = LogLevel::kInfo;
};

void Declare(CLI::App* app, Flags* flags) {
  app->add_option("--coordinator", flags->coordinator.address, "HOST:PORT of rondo-server")
      ->envname("RONDO_SERVER")
      ->capture_default_str();
  DeclareConnection(app, &flags->coordinator);
  app->add_option("--id", flags->id,
                  "Name of this worker (default: made from machine and process)");
  app->add_option("--advertise-host", flags->advertise_host,
                  "By which other workers reach this machine (default: 127.0.0.1 when the "
                  "coordinator is on this machine, else the machine's name)");
  app->add_option("--device", flags->device, "auto, cpu or cuda:N")
      ->envname("RONDO_DEVICE")
      ->capture_default_str();
  app->add_option("--slot", flags->slot,
                  "Which of this machine's workers this is: auto takes its GPUs in turn")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--rank-log-dir", flags->rank_log_dir,
                  "Folder for the ranks' stderr, a file each (default: this program's stderr)")
      ->check(CLI::ExistingDirectory);
  app->add_option(
         "--cache-dir", flags->cache_dir,
         "Folder for what later jobs can use again, as a teacher's hidden states (default: "
         "rondo/jobs in the user's cache folder)")
      ->envname("RONDO_CACHE_DIR");
  app->add_option("--cache-quota", flags->cache_quota,
                  "SIZE, as 50GB, of what is kept there; what was not used for the longest time "
                  "goes first; default: as much as the disk has room for")
      ->envname("RONDO_CACHE_QUOTA")
      ->transform(CLI::AsSizeValue(true));
  app->add_flag("--exit-on-disconnect", flags->exit_on_disconnect,
                "End when the coordinator goes, instead of attaching again");
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};
  app->add_option("--log-level", flags->log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case));
}

absl::StatusOr<AgentOptions> OptionsFrom(const Flags& flags) {
  AgentOptions options;
  options.coordinator = flags.coordinator;
  options.exit_on_disconnect = flags.exit_on_disconnect;
  options.ranks.log_dir = flags.rank_log_dir;
  options.cache_dir = flags.cache_dir.empty() ? UserCacheDir("jobs") : flags.cache_dir;
  options.cache_quota_bytes = flags.cache_quota;
  ASSIGN_OR_RETURN(options.ranks.program, SiblingProgram("rondo-rank"));
  options.worker.id = WorkerId(flags.id.empty() ? DefaultWorkerId() : flags.id);
  options.worker.host = flags.advertise_host.empty()
                            ? DefaultAdvertiseHost(flags.coordinator.address)
                            : flags.advertise_host;
  options.worker.version = RONDO_VERSION;
  RETURN_IF_ERROR(DescribeDevice(flags.device, flags.slot, &options.worker));
  return options;
}

// Runs until SIGTERM or SIGINT, which every thread of the process has blocked.
absl::Status RunUntilSignalled(AgentOptions options, const sigset_t& signals) {
  Agent agent(std::move(options));
  std::thread signalled([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    agent.Shutdown();
  });
  absl::Status status = agent.Run();
  if (!status.ok()) {
    // Ends the sigwait.
    pthread_kill(signalled.native_handle(), SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread)
  }
  signalled.join();
  return status;
}

}  // namespace
}  // namespace rondo

// Memory that runs out ends the program. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app("Offers this machine to a rondo coordinator, as one slot for ranks of jobs.",
               "rondo-worker");
  rondo::Flags flags;
  rondo::Declare(&app, &flags);
  app.set_version_flag("--version", RONDO_VERSION);
  CLI11_PARSE(app, argc, argv);
  rondo::SetLogLevel(flags.log_level);
  // Started by `rondo quantize`: never outlive it, however it ends.
  if (flags.exit_on_disconnect) prctl(PR_SET_PDEATHSIG, SIGTERM);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  absl::StatusOr<rondo::AgentOptions> options = rondo::OptionsFrom(flags);
  const absl::Status status =
      options.ok() ? rondo::RunUntilSignalled(*std::move(options), signals) : options.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "rondo-worker: %s\n", std::string(status.message()).c_str());
  return 1;
}
