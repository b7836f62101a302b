// Promises of JobStore, on the SQLite implementation with real files.
#include "server/store/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "server/store/sqlite.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

using testing::HasSubstr;

class JobStoreTest : public testing::Test {
 public:
  JobStoreTest() : dir_(testing::TempDir() + "/store-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

 protected:
  std::string path() const { return dir_ + "/rondo.db"; }
  void Reopen() {
    store_.reset();
    auto store = OpenSqliteJobStore(path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  std::string dir_;
  std::unique_ptr<JobStore> store_;
};

Job MakeJob(const std::string& id, const std::string& request_id, int bits = 4) {
  Job job;
  job.id = JobId(id);
  job.request_id = request_id;
  job.spec.model.path = "/m";
  job.spec.grid.bits = bits;
  job.created = absl::FromUnixNanos(1234567890123456789);
  return job;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

JobEvent Event(EventBody body) { return {0, absl::FromUnixSeconds(9), 0, std::move(body)}; }

TEST_F(JobStoreTest, WhatWasWrittenIsThereAfterReopening) {
  ASSERT_TRUE(store_->Create(MakeJob("j-1", "r-1"), Event(StateChanged{})).ok());
  ASSERT_TRUE(store_->Create(MakeJob("j-2", "r-2", 3), Event(StateChanged{})).ok());
  EXPECT_EQ(*store_->Append(JobId("j-1"), {Event(StateChanged{JobState::kPlanning})}), 2);
  EXPECT_EQ(*store_->Append(JobId("j-1"), {Event(Note{Severity::kInfo, 0, "hello"})}), 3);
  EXPECT_EQ(*store_->Append(JobId("j-2"), {Event(Note{Severity::kInfo, 0, "other"})}), 2);
  Reopen();
  const auto jobs = store_->LoadJobs();
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_EQ(jobs->size(), 2u);
  EXPECT_EQ((*jobs)[0].id, JobId("j-1"));
  EXPECT_EQ((*jobs)[0].state, JobState::kPlanning);
  EXPECT_EQ((*jobs)[0].last_event, 3);
  EXPECT_EQ((*jobs)[0].created, absl::FromUnixNanos(1234567890123456789));
  EXPECT_EQ((*jobs)[1].spec.grid.bits, 3);
  EXPECT_EQ(*store_->Append(JobId("j-1"), {Event(StateChanged{JobState::kFailed})}), 4);
}

TEST_F(JobStoreTest, EventsThatBelongTogetherAreWrittenTogether) {
  ASSERT_TRUE(store_->Create(MakeJob("j", "r"), Event(StateChanged{})).ok());
  const auto first = store_->Append(
      JobId("j"), {Event(StateChanged{JobState::kPlanning}), Event(GangFormed{1, {}})});
  EXPECT_EQ(*first, 2);
  const auto events = *store_->ReadEvents(JobId("j"), 1, 10);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].number, 3);
  EXPECT_EQ(std::get<GangFormed>(events[1].body).generation, 1);
}

TEST_F(JobStoreTest, ReadsEventsAfterANumber) {
  ASSERT_TRUE(store_->Create(MakeJob("j", "r"), Event(StateChanged{})).ok());
  for (int i = 2; i <= 5; ++i) {
    ASSERT_TRUE(store_->Append(JobId("j"), {Event(Note{Severity::kInfo, i, "n"})}).ok());
  }
  const auto events = store_->ReadEvents(JobId("j"), 2, 2);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].number, 3);
  EXPECT_EQ(std::get<Note>((*events)[1].body).rank, 4);
  EXPECT_EQ((*events)[1].time, absl::FromUnixSeconds(9));
  EXPECT_TRUE(store_->ReadEvents(JobId("j"), 5, 10)->empty());
}

TEST_F(JobStoreTest, ARequestIdMakesOneJob) {
  EXPECT_FALSE(store_->FindRequest("r", MakeJob("j", "r").spec)->has_value());
  ASSERT_FALSE(store_->Create(MakeJob("j-1", "r"), Event(StateChanged{}))->existed);
  const auto again = store_->Create(MakeJob("j-2", "r"), Event(StateChanged{}));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->existed);
  EXPECT_EQ(again->id, JobId("j-1"));
  EXPECT_EQ(*store_->FindRequest("r", MakeJob("j", "r").spec), JobId("j-1"));
  const auto other = store_->Create(MakeJob("j-3", "r", 8), Event(StateChanged{}));
  EXPECT_EQ(other.status(),
            absl::InvalidArgumentError("request_id \"r\" was used for job j-1 with another spec; "
                                       "choose a new request_id"));
  EXPECT_EQ(store_->LoadJobs()->size(), 1u);
}

TEST_F(JobStoreTest, AppendToAnUnknownJobIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store_->Append(JobId("j"), {Event(StateChanged{})}).status()));
}

TEST_F(JobStoreTest, NumbersAreContiguousUnderConcurrency) {
  ASSERT_TRUE(store_->Create(MakeJob("j", "r"), Event(StateChanged{})).ok());
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(store_->Append(JobId("j"), {Event(Note{Severity::kInfo, 0, "n"})}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->LoadJobs()->at(0).last_event, 101);  // LoadJobs refuses gaps
}

TEST_F(JobStoreTest, OneOwner) {
  EXPECT_EQ(OpenSqliteJobStore(path()).status(),
            absl::FailedPreconditionError(
                path() + " is in use by another process; give each server its own folder"));
}

TEST_F(JobStoreTest, RefusesANewerSchemaAndLeavesItAlone) {
  store_.reset();
  {
    auto db = Sqlite::Open(path());
    ASSERT_TRUE(db->Execute("PRAGMA user_version = 3").ok());
  }
  const std::string before = Contents(path());
  const absl::Status refused = OpenSqliteJobStore(path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("was written by a newer release (schema 3, this one knows 2)"));
  EXPECT_EQ(Contents(path()), before);
}

TEST_F(JobStoreTest, RefusesADatabaseOfAnotherProgramAndLeavesItAlone) {
  store_.reset();
  const std::string other = dir_ + "/other.db";
  ASSERT_TRUE(Sqlite::Open(other)->Execute("CREATE TABLE jobs (name TEXT)").ok());
  const std::string before = Contents(other);
  EXPECT_EQ(OpenSqliteJobStore(other).status(),
            absl::FailedPreconditionError(
                other + " is a database of another program; choose another folder"));
  EXPECT_EQ(Contents(other), before);
}

// Written by a release of schema 1; tests/data/store/PROVENANCE.md says how.
TEST_F(JobStoreTest, OpensAFileOfSchema1) {
  store_.reset();
  const std::string old = dir_ + "/old.db";
  std::filesystem::copy_file("tests/data/store/schema1.db", old);
  for (int open = 0; open < 2; ++open) {  // the second time it is of this schema
    auto store = OpenSqliteJobStore(old);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto jobs = (*store)->LoadJobs();
    ASSERT_TRUE(jobs.ok()) << jobs.status();
    ASSERT_EQ(jobs->size(), 3u);
    EXPECT_EQ((*jobs)[0].request_id, "first");
    EXPECT_EQ((*jobs)[0].state, JobState::kSucceeded);
    EXPECT_EQ((*jobs)[0].last_event, 18);
    EXPECT_EQ((*jobs)[0].layers_quantized, 4);
    EXPECT_EQ((*jobs)[0].artifacts.size(), 8u);
    EXPECT_EQ((*jobs)[1].state, JobState::kCancelled);
    EXPECT_EQ((*jobs)[2].state, JobState::kQueued);
    const JobSpec& spec = (*jobs)[2].spec;
    EXPECT_EQ(spec.grid.bits, 3);
    // The request ids of then are known, with the specs of now.
    EXPECT_EQ(*(*store)->FindRequest("third", spec), (*jobs)[2].id);
  }
}

TEST_F(JobStoreTest, RefusesWhatIsNoDatabase) {
  store_.reset();
  std::filesystem::remove(path() + "-wal");
  FILE* file = fopen(path().c_str(), "w");
  fputs(std::string(4096, 'x').c_str(), file);
  fclose(file);
  EXPECT_EQ(OpenSqliteJobStore(path()).status().code(), absl::StatusCode::kDataLoss);
}

// A process that is killed while it writes loses nothing that it had acknowledged.
TEST_F(JobStoreTest, AcknowledgedEventsSurviveAKill) {
  store_.reset();
  int acknowledged[2];
  ASSERT_EQ(pipe(acknowledged), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto store = *OpenSqliteJobStore(path());
    store->Create(MakeJob("j", "r"), Event(StateChanged{})).IgnoreError();
    while (true) {
      const auto number = store->Append(JobId("j"), {Event(Note{Severity::kInfo, 0, "n"})});
      if (!number.ok() || write(acknowledged[1], &*number, sizeof(*number)) < 0) _exit(1);
    }
  }
  int64_t last = 0;
  while (last < 20) {
    ASSERT_EQ(read(acknowledged[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(acknowledged[1]);
  for (int64_t number; read(acknowledged[0], &number, sizeof(number)) == sizeof(number);) {
    last = number;
  }
  close(acknowledged[0]);
  Reopen();
  EXPECT_GE(store_->LoadJobs()->at(0).last_event, last);
}

}  // namespace
}  // namespace rondo
