// Starting a child process. Thread-safe functions.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

struct SpawnOptions {
  std::string program;
  std::vector<std::string> args;         // without the program's own name
  std::vector<std::string> environment;  // "NAME=value"
  int inherited_fd = -1;                 // becomes descriptor 3; -1: none
  std::string stderr_path;               // appended to; empty: inherited
};

// The child has a process group of its own (a terminal's Ctrl-C does not reach it), no blocked
// signals, default signal handling, and no descriptors but 0, 1, 2 and `inherited_fd`.
// The caller must reap it with waitpid.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

std::vector<std::string> CurrentEnvironment();

// The file `name` in the folder of the running binary.
absl::StatusOr<std::string> SiblingProgram(const std::string& name);

// "was killed by signal 9", "ended with exit code 3".
std::string DescribeExit(int wait_status);

}  // namespace rondo
