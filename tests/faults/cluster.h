// A rondo-server and agents as processes, for tests that kill and stop them. Everything lies in a
// folder that goes with the cluster.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/lib/client.h"
#include "common/domain/job_spec.h"

namespace rondo {

// A child of this process. The destructor kills it.
class Process {
 public:
  Process(const std::string& program, const std::vector<std::string>& args,
          const std::vector<std::string>& more_environment, const std::string& log);
  ~Process();
  void Signal(int signal);
  // Until it has ended, or false. *how, when given, becomes waitpid's status.
  bool WaitFor(absl::Duration timeout, int* how = nullptr);
  void Kill();
  pid_t pid() const { return pid_; }  // -1: it has ended, and was seen to
  // Files that it writes grow to `bytes` and no further.
  void LimitFiles(int64_t bytes);

 private:
  pid_t pid_ = -1;  // -1: ended
};

class Cluster {
 public:
  // `patience`: the lease of agents, and how long they wait for a sign of life of their ranks; a
  // gang may be silent for three times as long. Short where a test is about its end; a loaded
  // machine can be slow for seconds.
  explicit Cluster(absl::Duration patience = absl::Minutes(1));
  ~Cluster();

  // On the port of the first start from the second on. False when it ended instead of listening.
  bool StartServer(const std::vector<std::string>& environment = {});
  Process& server() { return *server_; }
  // `link`: the address where it finds the server, when not the server's own.
  void StartAgent(const std::string& id, const std::string& link = "");
  Process& agent(const std::string& id) { return *agents_.at(id); }
  std::string AgentLog(const std::string& id) const;
  void StopAgents();  // as an operator does

  const std::string& address() const { return address_; }
  const std::string& pages_address() const { return pages_address_; }  // of /metrics; since a start
  std::string dir() const { return dir_; }
  std::string state_dir() const { return dir_ + "/state"; }
  std::string server_log() const { return dir_ + "/server.log"; }
  std::string artifact(const JobId& job) const;

  // A job for ranks that behave so (gang_rank_main.cc).
  JobSpec Spec(const std::string& behaviour, int workers);

 private:
  const std::string patience_;  // in seconds
  const std::string stall_;     // likewise
  std::string dir_;
  std::string address_;
  std::string pages_address_;
  std::unique_ptr<Process> server_;
  std::map<std::string, std::unique_ptr<Process>> agents_;
};

// Asks again and again. False when `timeout` is over.
bool Eventually(absl::Duration timeout, const std::function<bool()>& holds);

}  // namespace rondo
