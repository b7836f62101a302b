#include "server/core/coordinator_metrics.h"

#include <gmock/gmock.h>

#include "server/core/coordinator_fixture.h"

namespace rondo {
namespace {

using testing::HasSubstr;

TEST_F(CoordinatorTest, MetricsAreWhatIsThere) {
  Metrics metrics;
  AddCoordinatorMetrics(coordinator_.get(), &metrics);
  for (const char* series :
       {"rondo_jobs{state=\"queued\"} 0\n", "rondo_jobs{state=\"planning\"} 0\n",
        "rondo_jobs{state=\"recovering\"} 0\n", "rondo_workers{state=\"lost\"} 0\n",
        "rondo_queue_depth 0\n", "rondo_stale_generation_rejected_total 0\n"}) {
    EXPECT_THAT(metrics.Text(), HasSubstr(series));
  }
  const auto agent = Attach("a");
  for (const char* request : {"one", "two", "three"}) {
    ASSERT_TRUE(coordinator_->Submit(request, TinySpec(1)).ok());
  }
  ASSERT_TRUE(coordinator_->Cancel(coordinator_->List(1, "")->jobs[0].id).ok());
  for (const char* series :
       {"rondo_jobs{state=\"queued\"} 1\n", "rondo_jobs{state=\"running\"} 1\n",
        "rondo_jobs{state=\"cancelled\"} 1\n", "rondo_workers{state=\"busy\"} 1\n",
        "rondo_workers{state=\"idle\"} 0\n", "rondo_queue_depth 1\n"}) {
    EXPECT_THAT(metrics.Text(), HasSubstr(series));
  }
  const JobId unknown("j-unknown");
  ASSERT_TRUE(coordinator_->OnRankReport(agent->session, unknown, 1, 0, RankFinished{}).ok());
  EXPECT_THAT(metrics.Text(), HasSubstr("rondo_stale_generation_rejected_total 1\n"));
}

}  // namespace
}  // namespace rondo
