#include "tests/e2e/cli_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

extern char** environ;

namespace rondo {
namespace {

int Spawn(const std::vector<std::string>& argv, int out_fd, int err_fd) {
  std::vector<std::string> words = argv;
  if (words[0][0] != '/') words[0] = BinDir() / words[0];
  std::vector<char*> raw;
  raw.reserve(words.size() + 1);
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
  int pid = -1;
  EXPECT_EQ(posix_spawn(&pid, raw[0], &actions, nullptr, raw.data(), environ), 0) << raw[0];
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int WaitExit(int pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::array<int, 2> Pipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  return fds;
}

}  // namespace

std::filesystem::path BinDir() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

CommandResult RunCommand(const std::vector<std::string>& argv) {
  const auto out = Pipe();
  const auto err = Pipe();
  const int pid = Spawn(argv, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  CommandResult result;
  std::array<pollfd, 2> polls = {{{out[0], POLLIN, 0}, {err[0], POLLIN, 0}}};
  const std::array<std::string*, 2> sinks = {&result.out, &result.err};
  int open = 2;
  while (open > 0 && poll(polls.data(), polls.size(), -1) >= 0) {
    for (size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents == 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t got = read(polls[i].fd, buffer.data(), buffer.size());
      if (got > 0) {
        sinks[i]->append(buffer.data(), static_cast<size_t>(got));
      } else {
        close(polls[i].fd);
        polls[i].fd = -1;  // poll ignores it from here on
        --open;
      }
    }
  }
  result.exit_code = WaitExit(pid);
  return result;
}

BackgroundCommand::BackgroundCommand(const std::vector<std::string>& argv) {
  const auto err = Pipe();
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  pid_ = Spawn(argv, null, err[1]);
  close(null);
  close(err[1]);
  err_fd_ = err[0];
}

BackgroundCommand::~BackgroundCommand() {
  if (pid_ > 0) Stop(SIGTERM);
  close(err_fd_);
}

std::string BackgroundCommand::WaitForLine(const std::string& text) {
  std::string line;
  char c = 0;
  while (read(err_fd_, &c, 1) == 1) {
    if (c != '\n') {
      line.push_back(c);
    } else if (line.find(text) != std::string::npos) {
      return line;
    } else {
      line.clear();
    }
  }
  ADD_FAILURE() << "stderr ended without \"" << text << "\"; the last line was: " << line;
  return "";
}

int BackgroundCommand::Stop(int signal) {
  kill(pid_, signal);
  const int code = WaitExit(pid_);
  pid_ = -1;
  return code;
}

ScopedDir::ScopedDir() {
  std::string pattern = std::filesystem::temp_directory_path() / "rondo-e2e-XXXXXX";
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  path_ = pattern;
}

ScopedDir::~ScopedDir() { std::filesystem::remove_all(path_); }

}  // namespace rondo
