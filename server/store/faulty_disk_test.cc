// The store on a disk that fails: SQLite's own file functions with one write, fsync or read that
// does not work. Each in turn, so that no step of a commit is left out.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <map>

#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

enum class Operation { kWrite, kSync, kRead };

// SQLite's default file functions, but for one call. Global, as SQLite's own table is.
class FaultyDisk {
 public:
  FaultyDisk() {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "faulty";
    vfs_.xOpen = Open;
    sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
  }
  ~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
  }
  // The `count`-th call of `operation` from now on answers `error`; 0: none does.
  static void Fail(Operation operation, int count, int error) {
    operation_ = operation;
    left_ = count;
    error_ = error;
  }
  static bool Failed() { return left_ == 0; }

 private:
  static bool FailsNow(Operation operation) {
    return operation == operation_ && left_ > 0 && --left_ == 0;
  }
  static int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int code = real_->xOpen(real_, name, file, flags, out_flags);
    if (file->pMethods == nullptr) return code;
    // SQLite has a table of functions for each way of locking; these three are the same in all.
    const sqlite3_io_methods* real = file->pMethods;
    real_write_ = real->xWrite;
    real_sync_ = real->xSync;
    real_read_ = real->xRead;
    sqlite3_io_methods& faulty = methods_.try_emplace(real, *real).first->second;
    faulty.xWrite = Write;
    faulty.xSync = Sync;
    faulty.xRead = Read;
    file->pMethods = &faulty;
    return code;
  }
  static int Write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    return FailsNow(Operation::kWrite) ? error_ : real_write_(file, data, bytes, offset);
  }
  static int Sync(sqlite3_file* file, int flags) {
    return FailsNow(Operation::kSync) ? error_ : real_sync_(file, flags);
  }
  static int Read(sqlite3_file* file, void* data, int bytes, sqlite3_int64 offset) {
    return FailsNow(Operation::kRead) ? error_ : real_read_(file, data, bytes, offset);
  }

  static inline sqlite3_vfs* real_ = nullptr;
  static inline sqlite3_vfs vfs_;
  static inline std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;
  static inline int (*real_write_)(sqlite3_file*, const void*, int, sqlite3_int64) = nullptr;
  static inline int (*real_sync_)(sqlite3_file*, int) = nullptr;
  static inline int (*real_read_)(sqlite3_file*, void*, int, sqlite3_int64) = nullptr;
  static inline Operation operation_ = Operation::kWrite;
  static inline int left_ = -1;
  static inline int error_ = SQLITE_OK;
};

struct Fault {
  Operation operation;
  int error;  // of SQLite
  absl::StatusCode expected;
};

class FaultyReadTest : public testing::Test {
 protected:
  FaultyReadTest() : dir_(testing::TempDir() + "/faulty-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<JobStore> Open() {
    auto store = OpenSqliteJobStore(dir_ + "/rondo.db");
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  static Job MakeJob(int i) {
    Job job;
    job.id = JobId(absl::StrCat("j-", i));
    job.request_id = absl::StrCat("r-", i);
    job.spec.model.path = "/m";
    return job;
  }
  static JobEvent Event() { return {0, absl::FromUnixSeconds(9), 0, StateChanged{}}; }

  FaultyDisk disk_;
  std::string dir_;
};

class FaultyDiskTest : public FaultyReadTest, public testing::WithParamInterface<Fault> {};

TEST_P(FaultyDiskTest, WhatIsRefusedIsNotThereAndWhatIsAcknowledgedIs) {
  const Fault fault = GetParam();
  auto store = Open();
  ASSERT_TRUE(store->Create(MakeJob(0), Event()).ok());
  int64_t events = 1;
  size_t jobs = 1;
  int refused = 0;
  for (int nth = 1;; ++nth) {
    ASSERT_LT(nth, 100);
    FaultyDisk::Fail(fault.operation, nth, fault.error);
    const auto created = store->Create(MakeJob(nth), Event());
    const auto appended = store->Append(JobId("j-0"), {Event(), Event()});
    const bool failed = FaultyDisk::Failed();
    FaultyDisk::Fail(fault.operation, -1, SQLITE_OK);
    EXPECT_EQ(created.ok() && appended.ok(), !failed);
    for (const absl::Status& status : {created.status(), appended.status()}) {
      if (!status.ok()) {
        EXPECT_EQ(status.code(), fault.expected) << status;
      }
    }
    jobs += created.ok() ? 1 : 0;
    events += appended.ok() ? 2 : 0;
    refused += failed ? 1 : 0;
    // Seen by this process, and by the next.
    for (int reopened = 0; reopened < 2; ++reopened) {
      const auto loaded = store->LoadJobs();
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(loaded->size(), jobs) << "failure " << nth;
      EXPECT_EQ(loaded->at(0).last_event, events) << "failure " << nth;
      store.reset();
      store = Open();
    }
    if (!failed) break;  // neither call has an nth operation
  }
  EXPECT_GE(refused, 2);  // both calls write and sync
}

// An older file is of this schema afterwards or as it was, and no job of it is lost.
TEST_P(FaultyDiskTest, AnOlderFileIsTakenOverOrRefused) {
  const Fault fault = GetParam();
  const std::string path = dir_ + "/rondo.db";
  int refused = 0;
  for (int nth = 1;; ++nth) {
    ASSERT_LT(nth, 100);
    std::filesystem::remove(path + "-wal");
    std::filesystem::copy_file("tests/data/store/schema1.db", path,
                               std::filesystem::copy_options::overwrite_existing);
    FaultyDisk::Fail(fault.operation, nth, fault.error);
    const auto opened = OpenSqliteJobStore(path);
    const bool failed = FaultyDisk::Failed();
    FaultyDisk::Fail(fault.operation, -1, SQLITE_OK);
    if (!opened.ok()) {
      EXPECT_TRUE(failed);
      EXPECT_EQ(opened.status().code(), fault.expected) << opened.status();
      ++refused;
      EXPECT_EQ(Open()->LoadJobs()->size(), 3u) << "failure " << nth;
    }
    if (!failed) break;
  }
  EXPECT_GE(refused, 1);
}

// What cannot be read is an error, never less than there is.
TEST_F(FaultyReadTest, AFailedReadHidesNothing) {
  constexpr int kEvents = 200;  // more than a page of the file holds
  Open()->Create(MakeJob(0), Event()).IgnoreError();
  Open()->Append(JobId("j-0"), std::vector<JobEvent>(kEvents, Event())).IgnoreError();
  int refused = 0;
  for (int nth = 1;; ++nth) {
    ASSERT_LT(nth, 100);
    auto store = Open();
    FaultyDisk::Fail(Operation::kRead, nth, SQLITE_IOERR_READ);
    const auto jobs = store->LoadJobs();
    const auto events = store->ReadEvents(JobId("j-0"), 0, 2 * kEvents);
    const bool failed = FaultyDisk::Failed();
    FaultyDisk::Fail(Operation::kRead, -1, SQLITE_OK);
    EXPECT_EQ(jobs.ok() && events.ok(), !failed);
    for (const absl::Status& status : {jobs.status(), events.status()}) {
      EXPECT_TRUE(status.ok() || absl::IsInternal(status)) << status;
    }
    EXPECT_EQ(jobs.ok() ? jobs->at(0).last_event : kEvents + 1, kEvents + 1);
    EXPECT_EQ(events.ok() ? events->size() : kEvents + 1u, kEvents + 1u);
    refused += failed ? 1 : 0;
    if (!failed) break;
  }
  EXPECT_GE(refused, 2);
}

INSTANTIATE_TEST_SUITE_P(
    Disk, FaultyDiskTest,
    testing::Values(Fault{Operation::kWrite, SQLITE_FULL, absl::StatusCode::kResourceExhausted},
                    Fault{Operation::kWrite, SQLITE_IOERR_WRITE, absl::StatusCode::kInternal},
                    Fault{Operation::kSync, SQLITE_IOERR_FSYNC, absl::StatusCode::kInternal}));

}  // namespace
}  // namespace rondo
