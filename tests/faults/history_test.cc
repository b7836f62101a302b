// The validators themselves: each finds what breaks its promise, in an otherwise good history.
#include "tests/faults/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

using testing::HasSubstr;

absl::Time At(int second) { return absl::FromUnixSeconds(second); }

History Good() {
  const JobId a("j-a");
  const JobId b("j-b");
  History history;
  history.calls = {
      {CallKind::kSubmit, "c", "r-a", JobId(), At(0), At(1), Outcome::kUnknown},
      {CallKind::kSubmit, "c", "r-a", a, At(2), At(3), Outcome::kDone, JobState::kQueued, 1},
      {CallKind::kSubmit, "d", "r-b", b, At(2), At(3), Outcome::kDone, JobState::kQueued, 1},
      {CallKind::kGet, "c", "", a, At(4), At(5), Outcome::kDone, JobState::kRunning, 2},
      {CallKind::kCancel, "d", "", b, At(4), At(5), Outcome::kDone, JobState::kCancelled, 2},
      {CallKind::kCancel, "c", "", a, At(8), At(9), Outcome::kRefused},
  };
  for (const int64_t number : {1, 2, 3}) {
    history.sightings.push_back({"w", a, number, absl::StrCat("a", number)});
  }
  history.final_jobs[a] = {"r-a", JobState::kSucceeded, {"a1", "a2", "a3"}};
  history.final_jobs[b] = {"r-b", JobState::kCancelled, {"b1", "b2"}};
  return history;
}

std::string Message(const History& history) {
  return std::string(CheckPromises(history).message());
}

TEST(HistoryTest, AGoodHistoryPasses) { EXPECT_EQ(CheckPromises(Good()), absl::OkStatus()); }

TEST(HistoryTest, LostSubmissions) {
  History history = Good();
  history.final_jobs.erase(JobId("j-a"));
  EXPECT_THAT(Message(history), HasSubstr("an acknowledged submission survives: request r-a"));
}

TEST(HistoryTest, TwoJobsOfOneRequest) {
  History history = Good();
  history.final_jobs[JobId("j-c")] = {"r-a", JobState::kSucceeded, {"c1"}};
  EXPECT_THAT(Message(history), HasSubstr("a request id makes one job: r-a made 2"));
}

TEST(HistoryTest, LostCancellations) {
  History history = Good();
  history.final_jobs[JobId("j-b")].state = JobState::kFailed;
  EXPECT_THAT(Message(history), HasSubstr("an acknowledged cancellation survives: job j-b"));
}

TEST(HistoryTest, ReadsThatGoBack) {
  History history = Good();
  history.calls.push_back(
      {CallKind::kGet, "d", "", JobId("j-a"), At(6), At(7), Outcome::kDone, JobState::kQueued, 1});
  EXPECT_THAT(Message(history),
              HasSubstr("reads never go back: job j-a was seen at event 2, later at 1"));
  history.calls.back().start = At(4);  // at the same time as the other: either may be first
  EXPECT_EQ(Message(history), "");
}

TEST(HistoryTest, EndsThatDoNotLast) {
  History history = Good();
  history.calls.push_back(
      {CallKind::kGet, "d", "", JobId("j-a"), At(6), At(7), Outcome::kDone, JobState::kFailed, 3});
  EXPECT_THAT(Message(history), HasSubstr("stays as it ended: job j-a was FAILED"));
}

TEST(HistoryTest, WatchersThatAreToldWrong) {
  History history = Good();
  std::swap(history.sightings[1], history.sightings[2]);
  EXPECT_THAT(Message(history), HasSubstr("watch is ordered: w saw event 2 of job j-a after"));
  history = Good();
  history.sightings.insert(history.sightings.begin(), history.sightings[0]);
  EXPECT_THAT(Message(history), HasSubstr("watch is unique: w saw event 1 of job j-a twice"));
  history = Good();
  history.sightings.erase(history.sightings.begin() + 1);
  EXPECT_THAT(Message(history), HasSubstr("watch has no gap: w missed an event before 3"));
  history = Good();
  history.sightings[1].event = "something else";
  EXPECT_THAT(Message(history), HasSubstr("what was watched is history: event 2 of job j-a"));
  history = Good();
  history.final_jobs[JobId("j-a")].events.pop_back();
  EXPECT_THAT(Message(history), HasSubstr("what was watched is history: event 3 of job j-a"));
}

TEST(HistoryTest, JobsThatNeverEnd) {
  History history = Good();
  history.final_jobs[JobId("j-a")].state = JobState::kRunning;
  EXPECT_THAT(Message(history), HasSubstr("every job ends: job j-a is RUNNING"));
}

TEST(HistoryTest, NoAnswerMayMeanEither) {
  EXPECT_EQ(OutcomeOf(absl::UnavailableError("")), Outcome::kUnknown);
  EXPECT_EQ(OutcomeOf(absl::DeadlineExceededError("")), Outcome::kUnknown);
  EXPECT_EQ(OutcomeOf(absl::InternalError("")), Outcome::kUnknown);
  EXPECT_EQ(OutcomeOf(absl::FailedPreconditionError("")), Outcome::kRefused);
}

}  // namespace
}  // namespace rondo
