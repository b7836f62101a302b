#include "common/process/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace rondo {
namespace {

constexpr int kFirstOtherFd = 4;  // 0, 1, 2 and the inherited descriptor, 3

// posix_spawn's two option objects, freed together.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

void SetSignalsAndGroup(posix_spawnattr_t* attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setflags(attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

// Pointers into `strings`, ended by a null pointer.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  SpawnSetup setup;
  SetSignalsAndGroup(&setup.attributes);
  if (options.inherited_fd >= 0) {
    posix_spawn_file_actions_adddup2(&setup.actions, options.inherited_fd, 3);
  }
  if (!options.stderr_path.empty()) {
    posix_spawn_file_actions_addopen(&setup.actions, STDERR_FILENO, options.stderr_path.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  posix_spawn_file_actions_addclosefrom_np(&setup.actions,
                                           options.inherited_fd >= 0 ? kFirstOtherFd : 3);
  std::vector<std::string> args = {options.program};
  args.insert(args.end(), options.args.begin(), options.args.end());

  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.program.c_str(), &setup.actions, &setup.attributes,
                                Pointers(args).data(), Pointers(options.environment).data());
  if (error != 0) {
    return absl::InternalError(
        absl::StrCat("cannot start ", options.program, ": ", std::strerror(error)));
  }
  return pid;
}

std::vector<std::string> CurrentEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

absl::StatusOr<std::string> SiblingProgram(const std::string& name) {
  std::array<char, 4096> path;
  const ssize_t n = readlink("/proc/self/exe", path.data(), path.size());
  if (n <= 0 || n == static_cast<ssize_t>(path.size())) {
    return absl::InternalError(absl::StrCat("cannot find the folder of this program, to start ",
                                            name, " from: ", std::strerror(errno)));
  }
  const std::string self(path.data(), n);
  return self.substr(0, self.rfind('/') + 1) + name;
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrCat("was killed by signal ", WTERMSIG(wait_status));
  }
  return absl::StrCat("ended with exit code ", WEXITSTATUS(wait_status));
}

}  // namespace rondo
