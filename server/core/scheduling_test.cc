// Who gets workers when there are not enough.
#include <gmock/gmock.h>

#include "server/core/coordinator_fixture.h"
#include "server/core/queue.h"

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SchedulingTest : public CoordinatorTest {
 protected:
  JobId SubmitAs(const std::string& owner, int workers, int priority = 0) {
    JobSpec spec = TinySpec(workers);
    spec.priority = priority;
    const auto submission = coordinator_->Submit(RandomHexId(), spec, {owner});
    EXPECT_TRUE(submission.ok()) << submission.status();
    return submission->job.id;
  }
  void Succeed(const Agent& agent, const JobId& job) {
    Report(agent, job, 1, 0, Published(agent));
    Finish(agent, job, 1, 0);
  }
  // Time passes at once, which no worker is blamed for.
  void Leap(absl::Duration time) {
    clock_.now += time;
    coordinator_->Tick();
  }
  bool IsRunning(const JobId& id) { return StateOf(id) == JobState::kRunning; }
};

TEST_F(SchedulingTest, TheHigherPriorityThenTheOlder) {
  const JobId first = SubmitAs("", 1);
  const JobId second = SubmitAs("", 1);
  const JobId urgent = SubmitAs("", 1, 1);
  const auto a = Attach("a");
  EXPECT_TRUE(IsRunning(urgent));
  Succeed(*a, urgent);
  EXPECT_TRUE(IsRunning(first));
  EXPECT_FALSE(IsRunning(second));
}

TEST_F(SchedulingTest, WaitingOutweighsPriorityAlsoOverARestart) {
  const JobId old = SubmitAs("", 1, -1);
  clock_.now += kAging - absl::Seconds(1);
  Restart();
  const JobId fresh = SubmitAs("", 1);
  clock_.now += absl::Seconds(1);  // the old one counts as much by now, and is older
  const auto a = Attach("a");
  EXPECT_TRUE(IsRunning(old));
  EXPECT_FALSE(IsRunning(fresh));
}

TEST_F(SchedulingTest, OwnersTakeTurns) {
  for (int i = 0; i < 3; ++i) SubmitAs("alice", 1);
  const JobId of_bob = SubmitAs("bob", 1);
  const auto a = Attach("a");
  EXPECT_FALSE(IsRunning(of_bob));  // equals: the older one
  const auto b = Attach("b");
  EXPECT_TRUE(IsRunning(of_bob));  // alice has a worker, bob none
}

TEST_F(SchedulingTest, WhatNeedsMoreThanIsAttachedWaitsAside) {
  const JobId too_large = SubmitAs("", 3);
  const JobId one = SubmitAs("", 1);
  const auto a = Attach("a");
  EXPECT_TRUE(IsRunning(one));
  EXPECT_FALSE(IsRunning(too_large));
}

TEST_F(SchedulingTest, OthersMayTakeIdleWorkersForAWhileThenTheyAreKept) {
  const auto a = Attach("a");
  const JobId running = SubmitAs("", 1);
  const auto b = Attach("b");
  const JobId two = SubmitAs("", 2);
  const JobId quick = SubmitAs("", 1);
  EXPECT_TRUE(IsRunning(quick));  // on b, which would stand idle
  Leap(kBackfill - absl::Seconds(1));
  const JobId late = SubmitAs("", 1);
  Leap(absl::Seconds(1));
  Succeed(*b, quick);
  EXPECT_FALSE(IsRunning(late));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kBusy, WorkerState::kIdle));
  Succeed(*a, running);
  EXPECT_TRUE(IsRunning(two));
  EXPECT_FALSE(IsRunning(late));
}

constexpr int64_t kLittle = int64_t{1} << 20;

TEST_F(SchedulingTest, AWorkerGetsOnlyWhatItHasMemoryFor) {
  const auto a = Attach("a", kLittle);
  const JobId job = SubmitAs("", 1);
  EXPECT_FALSE(IsRunning(job));
  const auto notes = coordinator_->WaitForEvents(job, 1, std::chrono::seconds(0));
  ASSERT_EQ(notes->events.size(), 1u);
  EXPECT_THAT(std::get<Note>(notes->events[0].body).message,
              HasSubstr("it waits: no workers have the memory: stage 0 needs about 0.0 GiB, but cpu"
                        " of worker a has 0.0 GiB"));
  Pass(absl::Seconds(5));
  EXPECT_EQ(Get(job).last_event, 2);  // it is said once
  const auto b = Attach("b");
  ASSERT_TRUE(IsRunning(job));
  EXPECT_EQ(Get(job).ranks[0].worker, WorkerId("b"));
}

TEST_F(SchedulingTest, WorkersThatItCannotUseAreNotKept) {
  JobSpec modest = TinySpec(1);
  modest.method = RtnSettings{};
  const auto a = Attach("a");
  const auto b = Attach("b");
  const int64_t little = coordinator_->ValidateJob(modest)->stages[0].memory_bytes;
  ASSERT_LT(little, coordinator_->ValidateJob(TinySpec(2))->stages[1].memory_bytes);
  const auto c = Attach("c", little);
  const JobId running = SubmitAs("", 1);
  const JobId two = SubmitAs("", 2);
  Leap(kBackfill);
  const JobId small = coordinator_->Submit("small", modest)->job.id;
  EXPECT_THAT(WorkerStates(),
              ElementsAre(WorkerState::kBusy, WorkerState::kIdle, WorkerState::kBusy));
  EXPECT_TRUE(IsRunning(small));
  EXPECT_FALSE(IsRunning(two));
  Succeed(*a, running);
  EXPECT_TRUE(IsRunning(two));
}

TEST_F(SchedulingTest, WhereNobodyElseWillComeItFails) {
  fixed_fleet_ = true;
  Restart();
  const JobId job = SubmitAs("", 2);
  const auto a = Attach("a", kLittle);
  EXPECT_EQ(StateOf(job), JobState::kQueued);
  const auto b = Attach("b", kLittle);
  EXPECT_EQ(StateOf(job), JobState::kFailed);
  EXPECT_EQ(Get(job).error.code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace rondo
