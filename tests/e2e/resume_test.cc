// Ranks that are killed in the midst of a job of `rondo quantize`: the next generation goes on from
// what is on disk, and ends with the very weights of a job that nothing happened to.
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "tests/e2e/cli_runner.h"
#include "tests/e2e/same_tensors.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

Arguments Command(const std::string& out, const Arguments& more) {
  Arguments argv = {"rondo",
                    "quantize",
                    "--model",
                    kTinyModel,
                    "--group-size",
                    "-1",
                    "--asymmetric",
                    "--calibration",
                    kCalibrationText,
                    "--seq-len",
                    "128",
                    "--threads",
                    "1",
                    "--export",
                    "dense",
                    "--out",
                    out};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

// The rank below `ancestor`, when there is one.
std::optional<int> FindRank(int ancestor) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
    int pid = std::stoi(name);
    std::string comm;
    std::getline(std::ifstream(entry.path() / "comm") >> std::ws, comm);
    if (comm != "rondo-rank") continue;
    for (int at = pid; at > 1;) {
      if (at == ancestor) return pid;
      std::ifstream stat("/proc/" + std::to_string(at) + "/stat");
      std::string line;
      std::getline(stat, line);
      std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 2)));
      std::string state;
      int parent = 0;
      fields >> state >> parent;
      at = parent;
    }
  }
  return std::nullopt;
}

// Waits until a file whose name ends in `tail` lies anywhere below `dir`.
void WaitForFile(const std::string& dir, const std::string& tail) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (std::chrono::steady_clock::now() < patience) {
    std::error_code gone;  // Folders come and go meanwhile.
    fs::recursive_directory_iterator entry(dir, gone);
    for (; !gone && entry != fs::recursive_directory_iterator(); entry.increment(gone)) {
      if (entry->path().filename().string().ends_with(tail)) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ADD_FAILURE() << "no file *" << tail << " appeared below " << dir;
}

// Kills a rank of the job once `kept` is on disk; the line that tells what was taken up holds
// `resumed`.
void ExpectSameWeightsAfterAKill(const Arguments& more, const std::string& kept,
                                 const std::string& resumed) {
  ScopedDir dir;
  const CommandResult whole = RunCommand(Command(dir / "whole", more));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  {
    BackgroundCommand command(Command(dir / "killed", more));
    WaitForFile(dir.path(), kept);
    const std::optional<int> rank = FindRank(command.pid());
    ASSERT_TRUE(rank.has_value());
    ASSERT_EQ(kill(*rank, SIGKILL), 0);
    command.WaitForLine(resumed);
    command.WaitForLine("succeeded");
    EXPECT_EQ(command.Stop(0), 0);
  }
  ExpectSameTensors(dir / "whole", dir / "killed");
}

TEST(Resume, AKilledRankLosesNoLayerOfGptq) {
  ExpectSameWeightsAfterAKill({"--method", "gptq", "--bits", "3", "--samples", "400"},
                              "layer-00001-step-000000.safetensors",
                              "of 4 layers were solved by a former attempt");
}

TEST(Resume, AKilledRankLosesNoTrainingBeforeTheLastCheckpoint) {
  ExpectSameWeightsAfterAKill({"--method", "vqround", "--bits", "2", "--samples", "16", "--steps",
                               "200", "--checkpoint-every", "5"},
                              "-step-000010.safetensors",  // one layer of it: all of step 5
                              "training goes on from the checkpoint of step");
}

}  // namespace
}  // namespace rondo
