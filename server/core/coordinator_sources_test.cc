// Jobs whose model and data are in S3: a coordinator on a real store, the fake service of
// common/s3/testing, and agents that are scripted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/ids.h"
#include "common/io/file.h"
#include "common/s3/testing/fake_s3.h"
#include "server/core/coordinator.h"
#include "server/core/testing.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CoordinatorSourcesTest : public testing::Test {
 public:
  CoordinatorSourcesTest() : dir_(testing::TempDir() + "/coordinator-sources-" + RandomHexId()) {
    EXPECT_TRUE(MakeDirs(dir_).ok());
    fake_.PutFolder("models/llama", kTinyModel);
    fake_.Put("data/c.txt", *ReadFile(kCalibrationText));
    Restart();
  }
  ~CoordinatorSourcesTest() override {
    coordinator_.reset();
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

 protected:
  void Restart() {
    coordinator_.reset();
    store_.reset();
    store_ = *OpenSqliteJobStore(dir_ + "/rondo.db");
    Coordinator::Options options{store_.get(), &clock_, dir_ + "/artifacts"};
    options.s3 = fake_.options();
    options.download_quota_bytes = quota_;
    auto coordinator = Coordinator::Create(options);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = *std::move(coordinator);
  }

  void Attach(const std::string& id, RecordingLink* link) {
    const WorkerInfo info{WorkerId(id), "host-" + id, "0.1", "cpu", int64_t{1} << 40, 2, true};
    ASSERT_TRUE(coordinator_->AttachAgent(info, link).ok());
  }

  JobId Submit(const JobSpec& spec) {
    const auto submission = coordinator_->Submit(RandomHexId(), spec);
    EXPECT_TRUE(submission.ok()) << submission.status();
    return submission->job.id;
  }
  static JobSpec RemoteSpec() {
    JobSpec spec = TinySpec(1);
    spec.model.path = "s3://models/llama";
    spec.calibration.path = "s3://data/c.txt";
    return spec;
  }

  // The job once it is in a state.
  Job WaitFor(const JobId& id, JobState state) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    int64_t after = 0;
    while (absl::Now() < deadline) {
      Job job = *coordinator_->Get(id);
      if (job.state == state || IsFinal(job.state)) {
        EXPECT_EQ(JobStateName(job.state), JobStateName(state)) << job.error;
        return job;
      }
      after = job.last_event;
      coordinator_->Tick();
      EXPECT_TRUE(coordinator_->WaitForEvents(id, after, std::chrono::milliseconds(200)).ok());
    }
    ADD_FAILURE() << "still not " << JobStateName(state);
    return *coordinator_->Get(id);
  }

  // A second model of the same size.
  JobSpec OtherSpec() {
    fake_.PutFolder("models/other", kTinyModel);
    JobSpec spec = RemoteSpec();
    spec.model.path = "s3://models/other";
    return spec;
  }
  // Once the job has said that it waits.
  std::string WaitForNote(const JobId& id) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    for (int64_t after = 0; absl::Now() < deadline;) {
      const auto batch = coordinator_->WaitForEvents(id, after, std::chrono::seconds(1));
      for (const JobEvent& event : batch->events) {
        if (const auto* note = std::get_if<Note>(&event.body)) return note->message;
        after = event.number;
      }
    }
    return "nothing";
  }
  static bool IsHere(const Job& job, const std::string& source) {
    const std::string& path = job.sources.at(source).path;
    return IsDirectory(path) || FileExists(path);
  }

  const std::string dir_;
  int64_t quota_ = 0;
  FakeS3 fake_;
  ManualClock clock_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorSourcesTest, RanksGetLocalPaths) {
  RecordingLink link;
  Attach("a", &link);
  const Job job = WaitFor(Submit(RemoteSpec()), JobState::kRunning);
  EXPECT_EQ(job.spec.model.path, "s3://models/llama");
  const SourceFetched& model = job.sources.at("s3://models/llama");
  EXPECT_THAT(model.path, HasSubstr(dir_ + "/artifacts/downloads/"));
  ASSERT_EQ(link.started.size(), 1u);
  EXPECT_EQ(link.started[0].spec.model.path, model.path);
  EXPECT_EQ(link.started[0].spec.calibration.path, job.sources.at("s3://data/c.txt").path);
  EXPECT_EQ(*ReadFile(link.started[0].spec.calibration.path), *ReadFile(kCalibrationText));
}

TEST_F(CoordinatorSourcesTest, ProgressIsToldWhileTheJobIsQueuedAndOthersRun) {
  RecordingLink link;
  Attach("a", &link);
  fake_.HoldAfter(1'000'000);
  const JobId id = Submit(RemoteSpec());
  fake_.WaitUntilHeld();
  EXPECT_EQ(WaitFor(Submit(TinySpec(1)), JobState::kRunning).ranks.size(), 1u);
  const Job job = *coordinator_->Get(id);
  EXPECT_EQ(job.state, JobState::kQueued);
  const Progress& progress = job.progress.at(-1);
  EXPECT_EQ(progress.phase, Phase::kFetch);
  EXPECT_EQ(progress.total, 3);
  EXPECT_EQ(progress.unit, "MB of s3://models/llama");
}

TEST_F(CoordinatorSourcesTest, CancellingStopsADownload) {
  fake_.HoldAfter(1'000'000);
  const JobId id = Submit(RemoteSpec());
  fake_.WaitUntilHeld();
  EXPECT_EQ(coordinator_->Cancel(id, "alice")->state, JobState::kCancelled);
  // The thread that held it is free for another job, though the service says nothing.
  coordinator_.reset();
  fake_.Release();
  fake_.TakeRequests();
  Restart();
  EXPECT_EQ(coordinator_->Get(id)->state, JobState::kCancelled);
  EXPECT_THAT(fake_.TakeRequests(), IsEmpty());
}

TEST_F(CoordinatorSourcesTest, ARestartGoesOnWithADownload) {
  fake_.HoldAfter(1'000'000);
  const JobId id = Submit(RemoteSpec());
  fake_.WaitUntilHeld(dir_ + "/artifacts/downloads", "model.safetensors.partial", 1'000'000);
  coordinator_.reset();
  fake_.Release();
  fake_.TakeRequests();
  RecordingLink link;
  Restart();
  Attach("a", &link);
  WaitFor(id, JobState::kRunning);
  EXPECT_THAT(fake_.TakeRequests(),
              Contains("GET /models/llama/model.safetensors bytes=1000000-2005255"));
}

TEST_F(CoordinatorSourcesTest, AfterARestartAJobReadsWhatItHasRead) {
  RecordingLink link;
  Attach("a", &link);
  const JobId id = Submit(RemoteSpec());
  WaitFor(id, JobState::kRunning);
  fake_.Put("models/llama/config.json", "{}");
  fake_.TakeRequests();
  RecordingLink again;
  Restart();
  Attach("a", &again);
  WaitFor(id, JobState::kRunning);
  EXPECT_THAT(fake_.TakeRequests(), IsEmpty());
  EXPECT_EQ(again.started[0].spec.model.path, link.started[0].spec.model.path);
}

TEST_F(CoordinatorSourcesTest, ADamagedObjectFailsTheJob) {
  fake_.Damage("models/llama/model.safetensors");
  const Job job = WaitFor(Submit(RemoteSpec()), JobState::kFailed);
  EXPECT_THAT(std::string(job.error.message()),
              HasSubstr("s3://models/llama/model.safetensors arrived damaged: its ETag is "));
  EXPECT_THAT(std::string(job.error.message()), Not(HasSubstr(dir_)));
}

constexpr int64_t kRoomForOneModel = 4'000'000;  // of 2.4 MB, with its texts

TEST_F(CoordinatorSourcesTest, AJobThatHasNoRoomWaitsForOthersToEnd) {
  quota_ = kRoomForOneModel;
  Restart();
  RecordingLink link;
  Attach("a", &link);
  const JobId first = Submit(RemoteSpec());
  WaitFor(first, JobState::kRunning);
  const JobId second = Submit(OtherSpec());
  EXPECT_THAT(WaitForNote(second),
              HasSubstr("it waits: s3://models/other, s3://data/c.txt has no room in " + dir_ +
                        "/artifacts/downloads beside the "));
  coordinator_->Tick();
  EXPECT_TRUE(IsHere(*coordinator_->Get(first), "s3://models/llama"));
  // After a restart the job that runs still has its model, and the other one waits on.
  RecordingLink again;
  Restart();
  Attach("a", &again);
  WaitFor(first, JobState::kRunning);
  WaitForNote(second);
  ASSERT_TRUE(coordinator_->Cancel(first).ok());
  ASSERT_TRUE(coordinator_->OnRankReport({WorkerId("a"), 1}, first, 2, 0, RankFinished{}).ok());
  coordinator_->Tick();
  WaitFor(second, JobState::kRunning);
  EXPECT_FALSE(IsHere(*coordinator_->Get(first), "s3://models/llama"));
  EXPECT_TRUE(IsHere(*coordinator_->Get(second), "s3://data/c.txt"));
}

TEST_F(CoordinatorSourcesTest, AJobThatIsLargerThanTheQuotaIsRefused) {
  quota_ = 1'000'000;
  Restart();
  const absl::Status refused = coordinator_->Submit("r", RemoteSpec()).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("the quota of downloads is 1.0 MB (--download-quota)"));
  // A quota that was lowered meanwhile: the job fails instead of waiting for ever.
  quota_ = 0;
  Restart();
  const JobId id = Submit(RemoteSpec());
  quota_ = 1'000'000;
  Restart();
  const Job job = WaitFor(id, JobState::kFailed);
  EXPECT_TRUE(absl::IsResourceExhausted(job.error)) << job.error;
}

TEST_F(CoordinatorSourcesTest, WhatIsNotThereIsRefusedAtOnce) {
  JobSpec spec = RemoteSpec();
  spec.calibration.path = "s3://data/none.txt";
  const absl::Status missing = absl::NotFoundError("s3://data/none.txt does not exist");
  EXPECT_EQ(coordinator_->Submit("r", spec).status(), missing);
  EXPECT_EQ(coordinator_->ValidateJob(spec).status(), missing);
  EXPECT_TRUE(coordinator_->ValidateJob(RemoteSpec()).ok());
  EXPECT_THAT(coordinator_->List(0, "")->jobs, IsEmpty());
}

}  // namespace
}  // namespace rondo
