#include "tests/faults/cluster.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "absl/time/clock.h"
#include "common/io/file.h"
#include "common/process/spawn.h"
#include "gtest/gtest.h"
#include "tests/faults/gang_result.h"

namespace rondo {

namespace fs = std::filesystem;

bool Eventually(absl::Duration timeout, const std::function<bool()>& holds) {
  const absl::Time end = absl::Now() + timeout;
  while (!holds()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

namespace {

// What follows `text` after `from`, to the end of the word; empty when its line is not complete.
std::string WordAfter(const std::string& log, const std::string& text, size_t from) {
  const size_t at = log.find(text, from);
  if (at == std::string::npos || log.find('\n', at) == std::string::npos) return "";
  const size_t start = at + text.size();
  return log.substr(start, log.find_first_of(" \n", start) - start);
}

}  // namespace

Process::Process(const std::string& program, const std::vector<std::string>& args,
                 const std::vector<std::string>& more_environment, const std::string& log) {
  SpawnOptions options{.args = args, .environment = CurrentEnvironment(), .stderr_path = log};
  options.environment.insert(options.environment.end(), more_environment.begin(),
                             more_environment.end());
  options.program = SiblingProgram(program).value();
  const absl::StatusOr<pid_t> pid = Spawn(options);
  EXPECT_TRUE(pid.ok()) << pid.status();
  if (pid.ok()) pid_ = *pid;
}

Process::~Process() { Kill(); }

void Process::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

bool Process::WaitFor(absl::Duration timeout, int* how) {
  int status = 0;
  const bool ended =
      Eventually(timeout, [&] { return pid_ < 0 || waitpid(pid_, &status, WNOHANG) == pid_; });
  if (!ended) return false;
  pid_ = -1;
  if (how != nullptr) *how = status;
  return true;
}

void Process::Kill() {
  Signal(SIGKILL);
  WaitFor(absl::InfiniteDuration());
}

void Process::LimitFiles(int64_t bytes) {
  const rlimit limit{static_cast<rlim_t>(bytes), static_cast<rlim_t>(bytes)};
  EXPECT_EQ(prlimit(pid_, RLIMIT_FSIZE, &limit, nullptr), 0);
}

Cluster::Cluster(absl::Duration patience)
    : patience_(absl::StrCat(absl::ToInt64Seconds(patience))),
      stall_(absl::StrCat(absl::ToInt64Seconds(3 * patience))),
      dir_(testing::TempDir() + "/cluster-" + RandomHexId()) {
  EXPECT_TRUE(MakeDirs(dir_ + "/state").ok());
  EXPECT_TRUE(MakeDirs(dir_ + "/models").ok());
}

Cluster::~Cluster() {
  agents_.clear();
  server_.reset();
  if (testing::Test::HasFailure()) {
    std::fprintf(stderr, "kept for inspection: %s\n", dir_.c_str());
  } else {
    fs::remove_all(dir_);
  }
}

bool Cluster::StartServer(const std::vector<std::string>& environment) {
  server_.reset();
  const std::string log = server_log();
  const size_t before = fs::exists(log) ? fs::file_size(log) : 0;
  const std::string listen = address_.empty() ? "127.0.0.1:0" : address_;
  server_ = std::make_unique<Process>(
      "rondo-server",
      std::vector<std::string>{"--listen", listen, "--state-dir", state_dir(), "--lease", patience_,
                               "--stall", stall_, "--health-listen", "127.0.0.1:0"},
      environment, log);
  bool ended = false;
  const bool settled = Eventually(absl::Seconds(60), [&] {
    ended = server_->WaitFor(absl::ZeroDuration());
    const std::string text = ReadFile(log).value_or("");
    const std::string address = WordAfter(text, "listening on ", before);
    if (address.empty()) return ended;
    address_ = address;
    pages_address_ = WordAfter(text, "metrics on http://", before);
    return true;
  });
  EXPECT_TRUE(settled) << "the server neither listens nor ends";
  return !ended;
}

void Cluster::StartAgent(const std::string& id, const std::string& link) {
  agents_[id] = std::make_unique<Process>(
      "rondo-fault-agent", std::vector<std::string>{link.empty() ? address_ : link, id, patience_},
      std::vector<std::string>{}, absl::StrCat(dir_, "/agent-", id, ".log"));
}

std::string Cluster::AgentLog(const std::string& id) const {
  return ReadFile(absl::StrCat(dir_, "/agent-", id, ".log")).value_or("");
}

void Cluster::StopAgents() {
  for (auto& [id, agent] : agents_) agent->Signal(SIGTERM);
  for (auto& [id, agent] : agents_) EXPECT_TRUE(agent->WaitFor(absl::Seconds(30)));
  agents_.clear();
}

std::string Cluster::artifact(const JobId& job) const {
  return ReadFile(absl::StrCat(state_dir(), "/artifacts/", job.value(), "/compressed-tensors/",
                               kGangArtifact))
      .value_or("");
}

JobSpec Cluster::Spec(const std::string& behaviour, int workers) {
  const fs::path model = fs::path(dir_) / "models" / behaviour;
  std::error_code known;
  fs::create_directory_symlink(fs::absolute("tests/data/models/llama-tiny"), model, known);
  JobSpec spec;
  spec.model.path = model.string();
  spec.calibration = {fs::absolute("tests/data/text/calibration.txt").string(), 4, 32, 0};
  spec.grid.group_size = 32;
  spec.workers = workers;
  return spec;
}

}  // namespace rondo
