#include "server/store/metered_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

using testing::HasSubstr;

class MeteredJobStoreTest : public testing::Test {
 public:
  MeteredJobStoreTest() : dir_(testing::TempDir() + "/metered-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
    store_ = MeterJobStore(*OpenSqliteJobStore(dir_ + "/rondo.db"), &metrics_);
    job_.id = JobId("a");
    job_.request_id = "r";
  }
  ~MeteredJobStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

 protected:
  absl::Status Append(StateChanged change) {
    return store_->Append(job_.id, {{0, absl::Now(), 0, std::move(change)}}).status();
  }

  const std::string dir_;
  Metrics metrics_;
  std::unique_ptr<JobStore> store_;
  Job job_;
};

TEST_F(MeteredJobStoreTest, ARepeatedRequestIsNotASubmission) {
  const JobEvent first{1, absl::Now(), 0, StateChanged{JobState::kQueued}};
  ASSERT_TRUE(store_->Create(job_, first).ok());
  ASSERT_TRUE(store_->Create(job_, first)->existed);
  ASSERT_TRUE(*store_->FindRequest("r", job_.spec));
  ASSERT_FALSE(*store_->FindRequest("another", job_.spec));
  JobSpec other = job_.spec;
  other.method = RtnSettings{};
  ASSERT_FALSE(store_->FindRequest("r", other).ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("rondo_jobs_submitted_total{method=\"gptq\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rondo_jobs_deduplicated_total{method=\"gptq\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("rondo_jobs_deduplicated_total{method=\"rtn\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("rondo_store_commit_duration_seconds_count{op=\"create\"} 2\n"));
}

TEST_F(MeteredJobStoreTest, WhatIsCountedIsStored) {
  const JobEvent first{1, absl::Now(), 0, StateChanged{JobState::kQueued}};
  EXPECT_FALSE(Append({JobState::kFailed}).ok());  // there is no such job
  ASSERT_TRUE(store_->Create(job_, first).ok());
  StateChanged lost{JobState::kRecovering};
  lost.retry = true;
  ASSERT_TRUE(Append(lost).ok());
  ASSERT_TRUE(Append({JobState::kRecovering}).ok());
  ASSERT_TRUE(Append({JobState::kRecovering}).ok());
  ASSERT_TRUE(Append({JobState::kSucceeded}).ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("rondo_gang_restarts_total{reason=\"loss\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rondo_gang_restarts_total{reason=\"maintenance\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("rondo_jobs_finished_total{result=\"succeeded\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rondo_jobs_finished_total{result=\"failed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("rondo_jobs_finished_total{result=\"cancelled\"} 0\n"));
}

}  // namespace
}  // namespace rondo
