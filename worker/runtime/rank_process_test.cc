#include "worker/runtime/rank_process.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/process/spawn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

RankTask TaskThat(const std::string& behaviour) {
  RankTask task;
  task.job = JobId("j");
  task.generation = 7;
  task.rank = 1;
  task.plan.stages.resize(2);
  task.spec.model.path = behaviour;
  return task;
}

std::string FakeRank() { return SiblingProgram("rondo-fake-rank").value(); }

std::unique_ptr<RankProcess> StartRank(const std::string& behaviour, RankLaunch launch = {}) {
  launch.program = FakeRank();
  launch.name = "rank 1 of job j";
  auto rank = RankProcess::Start(launch);
  EXPECT_TRUE(rank.ok()) << rank.status();
  EXPECT_TRUE((*rank)->channel().Send(TaskThat(behaviour)).ok());
  return *std::move(rank);
}

template <typename T>
T Expect(RankProcess& rank) {
  auto report = rank.channel().Receive();
  EXPECT_TRUE(report.ok() && report->has_value()) << report.status();
  return std::get<T>(**report);
}

TEST(RankProcess, TaskRendezvousAndReportsGoThrough) {
  auto rank = StartRank("finish");
  EXPECT_FALSE(Expect<RankListening>(*rank).address.empty());
  ASSERT_TRUE(rank->channel().SendRendezvous("127.0.0.1:4711").ok());
  EXPECT_EQ(Expect<RankFinished>(*rank).status, absl::InternalError("127.0.0.1:4711"));
  EXPECT_EQ(rank->channel().Receive().value(), std::nullopt);
  EXPECT_TRUE(rank->child().Wait().ok());
}

TEST(RankProcess, SaysHowARankEnded) {
  EXPECT_EQ(StartRank("exit 3")->child().Wait(),
            absl::UnavailableError("rank 1 of job j ended with exit code 3"));
  EXPECT_EQ(StartRank("abort")->child().Wait(),
            absl::UnavailableError("rank 1 of job j was killed by signal 9"));
}

TEST(RankProcess, StopEndsARankWithSigterm) {
  auto rank = StartRank("hang");
  Expect<RankListening>(*rank);
  rank->child().Stop(absl::Minutes(1));
  EXPECT_EQ(rank->child().Wait(),
            absl::UnavailableError("rank 1 of job j was killed by signal 15"));
  rank->child().Stop(absl::Minutes(1));  // nothing is left to stop
}

TEST(RankProcess, StopKillsARankThatIgnoresSigterm) {
  auto rank = StartRank("stubborn");
  Expect<RankListening>(*rank);
  EXPECT_FALSE(rank->child().WaitFor(absl::ZeroDuration()));
  rank->child().Stop(absl::Milliseconds(50));
  EXPECT_EQ(rank->child().Wait(), absl::UnavailableError("rank 1 of job j was killed by signal 9"));
}

TEST(RankProcess, AMissingProgramIsNamed) {
  const auto rank = RankProcess::Start({.program = "/nowhere/rondo-rank", .name = "rank 0"});
  EXPECT_EQ(rank.status(),
            absl::InternalError("cannot start /nowhere/rondo-rank: No such file or directory"));
}

TEST(RankProcess, TheRankSeesACurrentEnvironmentAndNoOtherDescriptors) {
  ASSERT_EQ(setenv("RONDO_SHARE_GPU", "1", 1), 0);
  ASSERT_EQ(setenv("RONDO_TOKEN", "hidden-token", 1), 0);
  ASSERT_EQ(setenv("SOME_SECRET", "hidden", 1), 0);
  const UniqueFd leaky(dup(0));  // open on exec
  auto rank = StartRank("surroundings", {.threads = 3});
  const std::string seen = std::get<Note>(Expect<JobEvent>(*rank).body).message;
  EXPECT_THAT(seen, HasSubstr("RONDO_SHARE_GPU=1"));
  EXPECT_THAT(seen, Not(HasSubstr("hidden-token")));
  EXPECT_THAT(seen, HasSubstr("OMP_NUM_THREADS=3"));
  EXPECT_THAT(seen, HasSubstr("MKL_NUM_THREADS=3"));
  EXPECT_THAT(seen, Not(HasSubstr("SOME_SECRET")));
  EXPECT_THAT(seen, HasSubstr("fd=3"));
  EXPECT_THAT(seen, Not(ContainsRegex("fd=([4-9]|[1-9][0-9])")));
}

TEST(RankProcess, StderrGoesToTheLogFile) {
  const std::string log = ::testing::TempDir() + "/rank-" + std::to_string(getpid()) + ".log";
  {
    auto rank = StartRank("stderr", {.log_path = log});
    Expect<RankListening>(*rank);
  }
  std::stringstream text;
  text << std::ifstream(log).rdbuf();
  EXPECT_EQ(text.str(), "said by the rank\n");
  std::filesystem::remove(log);
}

TEST(RankChannel, ARankWhoseAgentClosesTheChannelEndsItself) {
  auto ends = MakeSocketPair();
  ASSERT_TRUE(ends.ok());
  const auto pid = Spawn({.program = FakeRank(),
                          .environment = CurrentEnvironment(),
                          .inherited_fd = ends->second.get()});
  ASSERT_TRUE(pid.ok()) << pid.status();
  ends->second.Reset();
  {
    AgentChannel channel(std::move(ends->first));
    ASSERT_TRUE(channel.Send(TaskThat("hang")).ok());
    ASSERT_TRUE(channel.Receive().ok());
  }
  int wait_status = 0;
  ASSERT_EQ(waitpid(*pid, &wait_status, 0), *pid);
  EXPECT_EQ(DescribeExit(wait_status), "ended with exit code 75");
}

// Whether every thread of the process has taken its SIGSTOP; kill() returns before that.
bool HasStopped(pid_t pid) {
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream stat(task.path() / "stat");
    std::string id, name, state;
    if (!(stat >> id >> name >> state) || state != "T") return false;
  }
  return true;
}

TEST(RankChannel, ARankThatCannotRunIsKilledWithItsAgent) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the orphan becomes a child of this process
  auto ends = MakeSocketPair();
  ASSERT_TRUE(ends.ok());
  const auto agent = Spawn({.program = FakeRank(),
                            .args = {"agent"},
                            .environment = CurrentEnvironment(),
                            .inherited_fd = ends->second.get()});
  ASSERT_TRUE(agent.ok()) << agent.status();
  ends->second.Reset();
  const auto rank_pid = ReceiveFrame(ends->first.get());
  ASSERT_TRUE(rank_pid.ok() && rank_pid->has_value());
  const pid_t rank = std::stoi(**rank_pid);

  ASSERT_EQ(kill(rank, SIGSTOP), 0);  // its own watcher stands still
  while (!HasStopped(rank)) sched_yield();
  ASSERT_EQ(kill(*agent, SIGKILL), 0);
  int wait_status = 0;
  ASSERT_EQ(waitpid(*agent, &wait_status, 0), *agent);
  ASSERT_EQ(waitpid(rank, &wait_status, 0), rank);
  EXPECT_EQ(DescribeExit(wait_status), "was killed by signal 9");
}

}  // namespace
}  // namespace rondo
