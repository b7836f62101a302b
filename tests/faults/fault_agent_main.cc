// The agent of rondo-worker with the rank of these tests:
//   rondo-fault-agent COORDINATOR ID SILENCE_SECONDS
#include <sys/prctl.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "common/process/spawn.h"
#include "worker/rpc/agent.h"

namespace rondo {
namespace {

int Run(const std::string& coordinator, const std::string& id, absl::Duration silence,
        const sigset_t& signals) {
  AgentOptions options;
  options.coordinator.address = coordinator;
  options.worker = {WorkerId(id), "127.0.0.1", "0", "cpu", int64_t{1} << 40, 1, false};
  const auto program = SiblingProgram("rondo-gang-rank");
  if (!program.ok()) return 2;
  options.ranks.program = *program;
  options.ranks.grace = absl::Seconds(1);
  options.ranks.silence = silence;
  options.first_pause = absl::Milliseconds(20);
  options.longest_pause = absl::Milliseconds(200);
  Agent agent(options);
  std::thread signalled([&] {
    int signal = 0;
    sigwait(&signals, &signal);
    agent.Shutdown();
  });
  const absl::Status end = agent.Run();
  signalled.join();
  return end.ok() ? 0 : 1;
}

}  // namespace
}  // namespace rondo

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives its test
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return rondo::Run(argv[1], argv[2], absl::Seconds(std::atoi(argv[3])), signals);
}
