// Faults at (rank, step) of a running gang, with real agents and a real coordinator: the job ends
// as it should, its artifact is that of a run without faults, and every slot is free afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "tests/faults/gang_fixture.h"

namespace rondo {
namespace {

using testing::AnyOf;
using testing::Eq;
using testing::HasSubstr;

constexpr int kSteps = 12;

TEST_F(GangFaults, WithoutAFaultTheResultDoesNotDependOnTheGang) {
  StartAgents({"a", "b", "c"});
  for (int workers = 1; workers <= 3; ++workers) {
    const Job job = End(Submit(absl::StrCat("gang-", kSteps), workers));
    EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
    EXPECT_EQ(job.generation, 1);
    ExpectResult(job.id, kSteps);
  }
}

// Where a lease ends, or nearly does.
class ImpatientGangFaults : public GangFaults {
 protected:
  ImpatientGangFaults() : GangFaults(absl::Seconds(5)) {}
};

struct Fault {
  std::string name;
  int64_t generations = 2;
};

class GangFault : public ImpatientGangFaults, public testing::WithParamInterface<Fault> {};

// Twice at different (rank, step); in the long form at as many as RONDO_CHAOS_LONG says, drawn from
// a seed that is printed.
TEST_P(GangFault, AtARankAndStepCostsAGenerationAndNothingElse) {
  const char* runs_text = std::getenv("RONDO_CHAOS_LONG");
  const int runs = runs_text == nullptr ? 1 : std::atoi(runs_text);
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::minstd_rand random(seed);
  StartAgents({"a", "b"});
  for (int run = 0; run < runs; ++run) {
    const int rank = static_cast<int>(random() % 2);
    const int step = static_cast<int>(random() % kSteps);
    SCOPED_TRACE(absl::StrCat("rank ", rank, ", step ", step));
    const JobId id =
        Submit(absl::StrCat("gang-", kSteps, "-", GetParam().name, "-", rank, "-", step), 2);
    const Job job = End(id);
    EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
    EXPECT_EQ(Notes(id, "fault " + GetParam().name), 1);  // it happened, once
    EXPECT_EQ(job.generation, GetParam().generations);
    EXPECT_EQ(job.retries, GetParam().generations - 1);
    if (GetParam().name == "stop") {
      // By its silence, before the gang counts as stuck. Its agent kills it for that, so its peer
      // may be the first to tell.
      EXPECT_THAT(WhyItEnded(id), AnyOf(HasSubstr("no sign of life for 5s"), Eq("lost its peer")));
    }
    // Rank 0 saves after each step; rank 1 may be in the next one by then.
    const bool race = rank == 1 && step == 1;
    const bool resumes = step > 0 && GetParam().generations > 1;
    if (!race) {
      EXPECT_EQ(Notes(id, "resumed at step"), resumes ? 1 : 0);
    }
    ExpectResult(id, kSteps);
    ExpectAllFree(2);
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, GangFault,
                         testing::Values(Fault{"exit"}, Fault{"kill"}, Fault{"stop"}, Fault{"hang"},
                                         Fault{"slow", 1}),
                         [](const auto& info) { return info.param.name; });

TEST_F(GangFaults, AnErrorOfTheJobItselfIsNotTriedAgain) {
  StartAgents({"a", "b"});
  const Job job = End(Submit("gang-12-refuse-1-3", 2));
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error, absl::InvalidArgumentError("the model is not to its taste"));
  EXPECT_EQ(job.generation, 1);
  ExpectAllFree(2);
}

TEST_F(GangFaults, RetriesEnd) {
  StartAgents({"a"});
  const Job job = End(Submit("gang-12-die-0-3", 1));
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.generation, 3);
  EXPECT_THAT(std::string(job.error.message()), HasSubstr("after 3 attempts"));
  ExpectAllFree(1);
}

TEST_F(GangFaults, ALostAgentLeavesASmallerGang) {
  StartAgents({"a", "b"});
  const JobId id = Submit("gang-300", 0);  // as many as there are
  ASSERT_TRUE(Until(id, [](const Job& job) { return job.progress.size() == 2; }));
  cluster_.agent("b").Kill();
  const Job job = End(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
  EXPECT_EQ(job.ranks.size(), 1u);
  EXPECT_EQ(job.generation, 2);
  EXPECT_EQ(Notes(id, "resumed at step"), 1);
  ExpectResult(id, 300);
  ExpectAllFree(1);
}

// The agent sleeps through the end of its lease; its rank does not, and goes on writing.
TEST_F(ImpatientGangFaults, AWorkerThatComesBackWithAnOldGenerationIsRefused) {
  StartAgents({"a"});
  const JobId id = Submit("gang-2500", 1);
  ASSERT_TRUE(Until(id, [](const Job& job) { return !job.progress.empty(); }));
  cluster_.agent("a").Signal(SIGSTOP);
  ASSERT_TRUE(Until(id, [](const Job& job) { return job.state == JobState::kRecovering; }));
  EXPECT_EQ(Workers(WorkerState::kLost), 1);
  cluster_.StartAgent("b");
  ASSERT_TRUE(Until(id, [](const Job& job) { return job.generation == 2; }));
  cluster_.agent("a").Signal(SIGCONT);
  // It says what its rank has done since, is refused, and attaches anew.
  const Job job = End(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
  EXPECT_EQ(job.generation, 2);
  ASSERT_EQ(job.ranks.size(), 1u);
  EXPECT_EQ(job.ranks[0].worker, WorkerId("b"));
  ExpectResult(id, 2500);
  ExpectAllFree(2);
}

TEST_F(GangFaults, TheCoordinatorIsStartedAgain) {
  StartAgents({"a", "b"});
  const JobId id = Submit("gang-300", 2);
  ASSERT_TRUE(Until(id, [](const Job& job) { return !job.progress.empty(); }));
  cluster_.server().Kill();
  ASSERT_TRUE(cluster_.StartServer());
  const Job job = End(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
  EXPECT_EQ(job.generation, 2);
  EXPECT_EQ(job.retries, 0);
  ExpectResult(id, 300);
  ExpectAllFree(2);
}

// The coordinator sleeps for longer than the lease: agents end their ranks, nobody is blamed twice.
TEST_F(ImpatientGangFaults, TheCoordinatorSleeps) {
  StartAgents({"a", "b"});
  const JobId id = Submit("gang-2500", 2);
  ASSERT_TRUE(Until(id, [](const Job& job) { return !job.progress.empty(); }));
  cluster_.server().Signal(SIGSTOP);
  absl::SleepFor(absl::Seconds(7));  // the pause is what is tested
  cluster_.server().Signal(SIGCONT);
  const Job job = End(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
  EXPECT_EQ(job.retries, 1);
  ExpectResult(id, 2500);
  ExpectAllFree(2);
}

TEST_F(GangFaults, MaintenanceCostsNoRetry) {
  StartAgents({"a", "b"});
  const JobId id = Submit("gang-600", 2);
  for (int64_t generation = 1; generation <= 4; ++generation) {
    ASSERT_TRUE(Until(id, [&](const Job& job) {
      return job.generation == generation && job.progress.size() == 2;
    }));
    cluster_.agent("b").Signal(SIGTERM);
    ASSERT_TRUE(cluster_.agent("b").WaitFor(kPatience));
    cluster_.StartAgent("b");
  }
  const Job job = End(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
  EXPECT_EQ(job.retries, 0);
  EXPECT_EQ(job.generation, 5);
  ExpectResult(id, 600);
}

TEST_F(GangFaults, AGangThatCannotFormHoldsNothing) {
  StartAgents({"a", "b"});
  const JobId large = Submit("gang-4", 3);
  const JobId small = Submit("gang-4", 2);
  EXPECT_EQ(End(small).state, JobState::kSucceeded);
  ExpectAllFree(2);
  EXPECT_EQ(client_->Get(large)->state, JobState::kQueued);
  cluster_.StartAgent("c");
  EXPECT_EQ(End(large).state, JobState::kSucceeded);
}

TEST_F(GangFaults, CancelEndsRanksInSecondsEvenStoppedOnes) {
  StartAgents({"a", "b"});
  for (const auto& [behaviour, faults] :
       {std::pair("gang-1000000", 0), std::pair("gang-1000000-stop-1-2", 1)}) {
    const JobId id = Submit(behaviour, 2);
    ASSERT_TRUE(Until(id, [](const Job& job) { return !job.progress.empty(); }));
    ASSERT_TRUE(Eventually(kPatience, [&] { return Notes(id, "fault stop") == faults; }));
    const absl::Time cancelled = absl::Now();
    ASSERT_TRUE(client_->Cancel(id).ok());
    ExpectAllFree(2);
    EXPECT_LT(absl::Now() - cancelled, absl::Seconds(10));
    EXPECT_EQ(client_->Get(id)->state, JobState::kCancelled);
  }
}

}  // namespace
}  // namespace rondo
