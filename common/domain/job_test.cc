#include "common/domain/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace rondo {
namespace {

using enum JobState;

constexpr JobState kAll[] = {kQueued,    kPlanning, kRunning,  kRecovering,
                             kSucceeded, kFailed,   kCancelled};

Job Fold(const std::vector<EventBody>& bodies) {
  Job job;
  for (const EventBody& body : bodies) {
    const int64_t number = job.last_event + 1;
    Apply({number, absl::FromUnixSeconds(100 + number), job.generation, body}, &job);
  }
  return job;
}

TEST(JobTest, FinalStatesHaveNoWayOut) {
  for (const JobState from : kAll) {
    for (const JobState to : kAll) {
      if (!IsFinal(from) && from != to) continue;
      EXPECT_FALSE(CanMoveTo(from, to)) << JobStateName(from) << JobStateName(to);
    }
  }
}

TEST(JobTest, EveryStateIsReachedAndEveryOpenStateCanEnd) {
  std::set<JobState> reached = {kQueued};
  for (int round = 0; round < 7; ++round) {
    for (const JobState from : std::set<JobState>(reached)) {
      for (const JobState to : kAll) {
        if (CanMoveTo(from, to)) reached.insert(to);
      }
    }
  }
  EXPECT_EQ(reached.size(), std::size(kAll));
  for (const JobState state : kAll) {
    if (IsFinal(state)) continue;
    EXPECT_TRUE(CanMoveTo(state, kFailed));
    EXPECT_TRUE(CanMoveTo(state, kCancelled));
  }
  EXPECT_FALSE(CanMoveTo(kQueued, kRunning));
  EXPECT_FALSE(CanMoveTo(kRecovering, kSucceeded));
}

TEST(JobTest, FoldFollowsTheEvents) {
  const Job job =
      Fold({StateChanged{kPlanning}, GangFormed{1, {{WorkerId("w"), "h", "cpu"}}},
            StateChanged{kRunning}, Progress{Phase::kTeacher, 0, 1, 4, "layers"},
            Progress{Phase::kTeacher, 0, 2, 4, "layers"}, LayerQuantized{0, 0, 1, {}},
            Evaluated{"wiki", true, 9, 10}, StateChanged{kFailed, absl::NotFoundError("gone")}});
  EXPECT_EQ(job.state, kFailed);
  EXPECT_EQ(job.error, absl::NotFoundError("gone"));
  EXPECT_EQ(job.started, absl::FromUnixSeconds(103));
  EXPECT_EQ(job.finished, absl::FromUnixSeconds(108));
  EXPECT_EQ(job.last_event, 8);
  EXPECT_EQ(job.progress.at(0).done, 2);
  EXPECT_EQ(job.layers_quantized, 1);
  ASSERT_EQ(job.evaluations.size(), 1u);
  EXPECT_EQ(job.ranks.at(0).host, "h");
}

TEST(JobTest, SourcesStayForLaterGenerations) {
  const Job job =
      Fold({Progress{Phase::kFetch, -1, 2, 4, "MB"}, SourceFetched{"s3://b/m", "/old", 3, 4},
            SourceFetched{"s3://b/m", "/m", 3, 4}, GangFormed{1, {{}}}, GangFormed{2, {{}}}});
  ASSERT_EQ(job.sources.size(), 1u);
  EXPECT_EQ(job.sources.at("s3://b/m").path, "/m");
  EXPECT_TRUE(job.progress.empty());
}

TEST(JobTest, NewGenerationForgetsTheFormer) {
  const Job job = Fold({GangFormed{1, {{}, {}}}, StateChanged{kRunning},
                        Progress{Phase::kTeacher, 0, 2, 4, "layers"}, LayerQuantized{0, 0, 1, {}},
                        PhaseFinished{}, Evaluated{}, ArtifactsPublished{{{}}},
                        StateChanged{kRecovering, absl::UnavailableError("lost")},
                        GangFormed{2, {{}}}, StateChanged{kRunning}});
  EXPECT_EQ(job.generation, 2);
  EXPECT_EQ(job.ranks.size(), 1u);
  EXPECT_TRUE(job.progress.empty());
  EXPECT_TRUE(job.phases.empty());
  EXPECT_TRUE(job.evaluations.empty());
  EXPECT_TRUE(job.artifacts.empty());
  EXPECT_EQ(job.layers_quantized, 0);
  EXPECT_TRUE(job.error.ok());
  EXPECT_EQ(job.started, absl::FromUnixSeconds(102));
}

}  // namespace
}  // namespace rondo
