// Runs the real binaries, which lie beside the test's own, and collects what they say.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rondo {

struct CommandResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out;
  std::string err;
};

// The folder of this test's binary.
std::filesystem::path BinDir();

// argv[0] is a name in BinDir() or an absolute path. Blocks until the command ends.
CommandResult RunCommand(const std::vector<std::string>& argv);

// A command in the background; ended by SIGTERM (then waited for) when destroyed.
class BackgroundCommand {
 public:
  explicit BackgroundCommand(const std::vector<std::string>& argv);
  ~BackgroundCommand();
  // Blocks until a line of its stderr holds `text`; returns the line. Fails the test at the end of
  // the stream.
  std::string WaitForLine(const std::string& text);
  int pid() const { return pid_; }
  // Sends the signal and waits for the end; the exit code.
  int Stop(int signal);

 private:
  int pid_ = -1;
  int err_fd_ = -1;
};

// A folder that goes with the object.
class ScopedDir {
 public:
  ScopedDir();
  ~ScopedDir();
  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline constexpr char kTinyModel[] = "tests/data/models/llama-tiny";
inline constexpr char kCalibrationText[] = "tests/data/text/calibration.txt";
inline constexpr char kHeldoutText[] = "tests/data/text/heldout.txt";

}  // namespace rondo
