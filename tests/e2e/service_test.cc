// rondo-server with real workers, used through the CLI as on a cluster.
#include <signal.h>

#include <filesystem>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/cli_runner.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

class Service : public testing::Test {
 protected:
  void SetUp() override {
    server_ = std::make_unique<BackgroundCommand>(std::vector<std::string>{
        "rondo-server", "--listen", "127.0.0.1:0", "--state-dir", dir_ / "state"});
    const std::string line = server_->WaitForLine("listening on ");
    address_ = line.substr(line.find("listening on ") + 13);
    address_ = address_.substr(0, address_.find(' '));
  }

  std::unique_ptr<BackgroundCommand> StartWorker() {
    return std::make_unique<BackgroundCommand>(
        std::vector<std::string>{"rondo-worker", "--coordinator", address_});
  }

  CommandResult Rondo(std::vector<std::string> argv) {
    argv.insert(argv.begin(), "rondo");
    argv.insert(argv.end(), {"--server", address_});
    return RunCommand(argv);
  }

  // Returns the id of the job.
  std::string Submit(const std::string& samples, const std::vector<std::string>& more) {
    std::vector<std::string> argv = {
        "submit",       "--model", kTinyModel,  "--calibration", kCalibrationText, "--bits", "4",
        "--group-size", "32",      "--seq-len", "128",           "--samples",      samples};
    argv.insert(argv.end(), more.begin(), more.end());
    const CommandResult result = Rondo(argv);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out.substr(0, result.out.find('\n'));
  }

  std::string StateOf(const std::string& job) {
    const CommandResult result = Rondo({"get", job, "--json"});
    return result.exit_code == 0 ? std::string(nlohmann::json::parse(result.out)["state"])
                                 : result.err;
  }

  ScopedDir dir_;
  std::unique_ptr<BackgroundCommand> server_;
  std::string address_;
};

TEST_F(Service, SubmitWatchDownload) {
  const auto first = StartWorker();
  const auto second = StartWorker();
  const std::string job = Submit("8", {"--workers", "2", "--request-id", "once"});
  EXPECT_EQ(Submit("8", {"--workers", "2", "--request-id", "once"}), job);
  const CommandResult watched = Rondo({"watch", job});
  EXPECT_EQ(watched.exit_code, 0) << watched.err;
  EXPECT_EQ(StateOf(job), "JOB_STATE_SUCCEEDED");
  const CommandResult download = Rondo({"download", job, "--out", dir_ / "artifact"});
  ASSERT_EQ(download.exit_code, 0) << download.err;
  EXPECT_TRUE(Checkpoint::Open(dir_ / "artifact").ok());
  const CommandResult list = Rondo({"list"});
  EXPECT_THAT(list.out, HasSubstr(job));
}

TEST_F(Service, AJobSurvivesARestartOfTheServerAndTheLossOfAWorker) {
  const std::string job = Submit("64", {"--workers", "1"});
  auto worker = StartWorker();
  worker->WaitForLine("rank 0");
  worker->Stop(SIGKILL);
  const auto other = StartWorker();
  EXPECT_EQ(Rondo({"watch", job}).exit_code, 0);
  EXPECT_EQ(StateOf(job), "JOB_STATE_SUCCEEDED");
  EXPECT_EQ(server_->Stop(SIGTERM), 0);
  SetUp();
  EXPECT_EQ(StateOf(job), "JOB_STATE_SUCCEEDED");
}

TEST_F(Service, CancelledJobsLeaveNothing) {
  const std::string queued = Submit("8", {"--workers", "1"});
  EXPECT_EQ(StateOf(queued), "JOB_STATE_QUEUED");
  EXPECT_EQ(Rondo({"cancel", queued}).exit_code, 0);
  EXPECT_EQ(StateOf(queued), "JOB_STATE_CANCELLED");
  const CommandResult again = Rondo({"cancel", queued});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("has ended"));
  EXPECT_EQ(Rondo({"watch", queued}).exit_code, 4);
}

TEST_F(Service, UnknownJobsAndBadArtifactNamesAreRefusedInWords) {
  const CommandResult missing = Rondo({"get", "j-none"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_EQ(missing.err, "rondo: job j-none does not exist\n");
}

}  // namespace
}  // namespace rondo
