// Ranks that are killed in the midst of a job of `rondo quantize`: the next generation goes on from
// what is on disk, and ends with the very weights of a job that nothing happened to.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

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

// Kills a rank of the job once its progress has shown each of `lines`; the line that tells what
// was taken up holds `resumed`.
void ExpectSameWeightsAfterAKill(const Arguments& more, const Arguments& lines,
                                 const std::string& resumed) {
  ScopedDir dir;
  const CommandResult whole = RunCommand(Command(dir / "whole", more));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  {
    BackgroundCommand command(Command(dir / "killed", more));
    for (const std::string& line : lines) command.WaitForLine(line);
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
                              {"initialise 2/4 layers"},
                              "2 of 4 layers were solved by a former attempt");
}

TEST(Resume, AKilledRankLosesNoTrainingBeforeTheLastCheckpoint) {
  const std::string steps = "finetune e2e";
  ExpectSameWeightsAfterAKill({"--method", "vqround", "--bits", "2", "--samples", "16", "--steps",
                               "200", "--checkpoint-every", "5"},
                              {steps, steps},  // seconds later: steps are behind it
                              "training goes on from the checkpoint of step");
}

}  // namespace
}  // namespace rondo
