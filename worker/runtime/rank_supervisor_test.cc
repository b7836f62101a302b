#include "worker/runtime/rank_supervisor.h"

#include <vector>

#include "common/base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

// What a supervisor handed on.
class Reports {
 public:
  RankSupervisor::Sink Sink() {
    return [this](const RankReport& report) {
      MutexLock lock(&mu_);
      reports_.push_back(report);
      changed_.SignalAll();
    };
  }
  void WaitForCount(size_t count) {
    MutexLock lock(&mu_);
    while (reports_.size() < count) changed_.Wait(&mu_);
  }
  size_t count() {
    MutexLock lock(&mu_);
    return reports_.size();
  }
  absl::Status LastStatus() {
    MutexLock lock(&mu_);
    return std::get<RankFinished>(reports_.back()).status;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<RankReport> reports_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<RankSupervisor> Supervise(const std::string& behaviour, Reports* reports,
                                          absl::Duration silence = absl::Minutes(1)) {
  RankTask task;
  task.job = JobId("j");
  task.rank = 1;
  task.plan.stages.resize(2);
  task.spec.model.path = behaviour;
  auto supervisor = RankSupervisor::Start(task,
                                          {.program = SiblingProgram("rondo-fake-rank").value(),
                                           .grace = absl::Minutes(1),
                                           .silence = silence},
                                          reports->Sink());
  EXPECT_TRUE(supervisor.ok()) << supervisor.status();
  return *std::move(supervisor);
}

TEST(RankSupervisor, HandsOnTheRanksOwnWord) {
  Reports reports;
  auto supervisor = Supervise("finish", &reports);
  reports.WaitForCount(1);
  ASSERT_TRUE(supervisor->SendRendezvous("h:1").ok());
  reports.WaitForCount(2);
  EXPECT_EQ(reports.LastStatus(), absl::InternalError("h:1"));
}

TEST(RankSupervisor, ReportsARankThatDies) {
  Reports reports;
  auto supervisor = Supervise("abort", &reports);
  reports.WaitForCount(1);
  EXPECT_EQ(reports.LastStatus(), absl::UnavailableError("rank 1 of job j was killed by signal 9"));
}

TEST(RankSupervisor, ReportsARankThatEndsWithoutAWord) {
  Reports reports;
  auto supervisor = Supervise("silent", &reports);
  reports.WaitForCount(1);
  EXPECT_EQ(reports.LastStatus(),
            absl::UnavailableError("rank 1 of job j ended without saying how it went"));
}

TEST(RankSupervisor, KillsARankThatGivesNoSignOfLife) {
  Reports reports;
  const auto supervisor = Supervise("stopped", &reports, absl::Seconds(1));
  reports.WaitForCount(1);
  EXPECT_EQ(reports.LastStatus(),
            absl::UnavailableError("rank 1 of job j: no sign of life for 1s"));
}

TEST(RankSupervisor, ARankThatWaitsGivesSignsOfLife) {
  Reports reports;
  const auto supervisor = Supervise("slow", &reports, absl::Seconds(1));
  reports.WaitForCount(1);
  EXPECT_EQ(reports.LastStatus(), absl::InternalError("slow"));
}

TEST(RankSupervisor, StopReportsExactlyOneEnd) {
  Reports reports;
  auto supervisor = Supervise("hang", &reports);
  reports.WaitForCount(1);
  supervisor->Stop();
  EXPECT_EQ(reports.LastStatus(), absl::CancelledError("rank 1 of job j was stopped"));
  supervisor.reset();
  EXPECT_EQ(reports.count(), 2u);
}

}  // namespace
}  // namespace rondo
