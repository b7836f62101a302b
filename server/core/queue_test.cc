#include "server/core/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace rondo {
namespace {

using testing::ElementsAre;

class QueueTest : public testing::Test {
 protected:
  // Oldest first.
  JobRecord* Add(const std::string& id, int priority, absl::Duration age,
                 const std::string& owner = "") {
    JobRecord& record = records_.emplace_back();
    record.job.id = JobId(id);
    record.job.spec.priority = priority;
    record.job.created = now_ - age;
    record.job.owner = owner;
    return &record;
  }
  void RunOn(JobRecord* record, size_t workers) {
    record->job.state = JobState::kRunning;
    record->gang = Gang{1, std::vector<WorkerId>(workers), std::vector<bool>(workers), {}};
  }
  std::vector<std::string> Order() {
    std::vector<JobRecord*> open;
    for (JobRecord& record : records_) open.push_back(&record);
    std::vector<std::string> ids;
    for (const JobRecord* record : InOrder(open, now_)) ids.push_back(record->job.id.value());
    return ids;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::deque<JobRecord> records_;
};

TEST_F(QueueTest, AStepOfPriorityIsTenMinutesOfWaiting) {
  Add("a", -1, absl::Minutes(29));  // counts as 1
  Add("b", 0, absl::Minutes(20));   // 2
  Add("c", 0, absl::Minutes(5));    // 0
  Add("d", 1, absl::Minutes(1));    // 1
  Add("e", 3, absl::ZeroDuration());
  EXPECT_THAT(Order(), ElementsAre("e", "b", "a", "d", "c"));
}

TEST_F(QueueTest, InTheEndNobodyGoesBeforeTheOldest) {
  Add("lowest", kLowestPriority, 20 * kAging);
  Add("older", kHighestPriority, absl::Hours(3));
  Add("new", kHighestPriority, absl::ZeroDuration());
  EXPECT_THAT(Order(), ElementsAre("lowest", "older", "new"));
}

TEST_F(QueueTest, AClockThatWasSetBackMakesNobodyWorse) {
  Add("a", 0, -absl::Hours(5));
  Add("b", 0, absl::ZeroDuration());
  EXPECT_THAT(Order(), ElementsAre("a", "b"));
}

TEST_F(QueueTest, AmongEqualsTheOwnerWithTheFewestWorkersAtWork) {
  RunOn(Add("running", 0, absl::Minutes(9), "alice"), 2);
  JobRecord* ending = Add("ending", 0, absl::Minutes(9), "bob");
  RunOn(ending, 3);
  ending->gang->ended = {true, true, false};  // one is still at work
  Add("of alice", 0, absl::Minutes(8), "alice");
  Add("of bob", 0, absl::Minutes(7), "bob");
  Add("of carol", 0, absl::Minutes(6), "carol");
  Add("of carol, too", 0, absl::Minutes(5), "carol");
  Add("urgent, of alice", 1, absl::Minutes(4), "alice");
  EXPECT_THAT(Order(),
              ElementsAre("urgent, of alice", "of carol", "of carol, too", "of bob", "of alice"));
}

TEST_F(QueueTest, OnlyWhatWaits) {
  Add("succeeded", 9, absl::Minutes(1))->job.state = JobState::kSucceeded;
  Add("recovering", 0, absl::Minutes(1))->job.state = JobState::kRecovering;
  Add("in its pause", 0, absl::Minutes(1))->not_before = now_ + absl::Seconds(1);
  EXPECT_THAT(Order(), ElementsAre("recovering"));
}

}  // namespace
}  // namespace rondo
