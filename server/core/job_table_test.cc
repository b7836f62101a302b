#include "server/core/job_table.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "server/core/testing.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

// Jobs are kept for good; a layout is of use only until the job is planned for the last time.
TEST(JobTable, AJobThatHasEndedLetsGoOfItsModelsLayout) {
  const std::string dir = testing::TempDir() + "/job-table-" + RandomHexId();
  std::filesystem::create_directories(dir);
  {
    const auto store = *OpenSqliteJobStore(dir + "/rondo.db");
    const ManualClock clock;
    JobTable table = *JobTable::Load(store.get(), &clock);
    Job job;
    job.id = JobId("a");
    const JobEvent first{1, clock.Now(), 0, StateChanged{JobState::kQueued}};
    ASSERT_TRUE(store->Create(job, first).ok());
    JobRecord& record = table.Add(job, first, ModelFacts());
    ASSERT_TRUE(table.Record(&record, Note{}).ok());
    EXPECT_TRUE(record.facts);
    ASSERT_TRUE(table.Record(&record, StateChanged{JobState::kCancelled}).ok());
    EXPECT_FALSE(record.facts);
    EXPECT_EQ(table.CountByState().at(JobState::kCancelled), 1);
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace rondo
