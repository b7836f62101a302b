// The coordinator on a real store, with agents that are scripted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "common/io/file.h"
#include "server/core/coordinator_fixture.h"

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(CoordinatorTest, AJobRunsOnTwoWorkers) {
  const JobId job = Submit(2);
  EXPECT_EQ(StateOf(job), JobState::kQueued);
  const auto a = Attach("a");
  EXPECT_EQ(StateOf(job), JobState::kQueued);
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle));  // nothing is held
  const auto b = Attach("b");
  ASSERT_EQ(StateOf(job), JobState::kRunning);
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kBusy, WorkerState::kBusy));

  ASSERT_EQ(a->link.started.size(), 1u);
  ASSERT_EQ(b->link.started.size(), 1u);
  const RankTask& task = b->link.started[0];
  EXPECT_EQ(task.rank, 1);
  EXPECT_EQ(task.generation, 1);
  EXPECT_EQ(task.plan.stages.size(), 2u);
  EXPECT_EQ(task.host, "host-b");
  EXPECT_EQ(task.artifact_dir, dir_ + "/artifacts/" + job.value() + "/g1");
  EXPECT_TRUE(HasArtifactDir(job));

  Report(*a, job, 1, 0, RankListening{"host-a:1234"});
  EXPECT_THAT(b->link.told, ElementsAre("rendezvous 1/1 host-a:1234"));
  EXPECT_THAT(a->link.told, IsEmpty());

  Report(*b, job, 1, 1, Event(Progress{Phase::kTeacher, 1, 2, 4, "layers"}));
  EXPECT_EQ(Get(job).progress.at(1).done, 2);
  Report(*a, job, 1, 0, Published(*a));
  Finish(*b, job, 1, 1);
  EXPECT_EQ(StateOf(job), JobState::kRunning);
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kBusy, WorkerState::kIdle));
  Finish(*a, job, 1, 0);
  EXPECT_EQ(StateOf(job), JobState::kSucceeded);
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle, WorkerState::kIdle));
  EXPECT_EQ(coordinator_->Artifacts(job)->size(), 1u);
}

TEST_F(CoordinatorTest, ZeroWorkersMeansAllThatAreIdle) {
  const auto a = Attach("a");
  const auto b = Attach("b");
  EXPECT_EQ(Get(Submit(0)).ranks.size(), 2u);
}

JobSpec TrainingSpec(int replicas, int workers) {
  JobSpec spec = TinySpec(workers);
  LearnedRoundingSettings learned;
  learned.training.batch = 2;
  learned.training.replicas = replicas;
  spec.method = learned;
  return spec;
}

TEST_F(CoordinatorTest, ReplicasAreReservedTogether) {
  const JobId job = coordinator_->Submit("r", TrainingSpec(2, 0))->job.id;
  const auto a = Attach("a");
  EXPECT_EQ(StateOf(job), JobState::kQueued);  // one worker is less than two replicas
  const auto b = Attach("b");
  ASSERT_EQ(StateOf(job), JobState::kRunning);
  EXPECT_EQ(Get(job).ranks.size(), 2u);
  const RankTask& task = b->link.started[0];
  EXPECT_EQ(task.rank, 1);
  EXPECT_EQ(task.plan.replicas, 2);
  EXPECT_EQ(task.plan.stages.size(), 1u);
}

TEST_F(CoordinatorTest, AGangThatCannotBeIsRefused) {
  JobSpec spec = TrainingSpec(0, 3);
  std::get<LearnedRoundingSettings>(spec.method).parameters =
      CodebookSettings{.scope = CodebookScope::kModel};
  EXPECT_TRUE(absl::IsUnimplemented(coordinator_->Submit("r", spec).status()));
  EXPECT_TRUE(absl::IsUnimplemented(coordinator_->ValidateJob(spec).status()));
  spec.workers = 2;
  EXPECT_EQ(coordinator_->ValidateJob(spec)->replicas, 2);
}

TEST_F(CoordinatorTest, WhatTrainingGoesOnFromOutlivesAGeneration) {
  const JobId job = Submit(1);
  const auto a = Attach("a");
  const std::string first = a->link.started[0].artifact_dir;
  std::filesystem::create_directories(first + "/" + kCheckpointFolder);
  std::filesystem::create_directories(first + "/dense");
  Finish(*a, job, 1, 0, absl::UnavailableError("lost"));
  Pass(absl::Seconds(1));
  ASSERT_EQ(Get(job).generation, 2);
  const std::string second = a->link.started[1].artifact_dir;
  EXPECT_TRUE(std::filesystem::exists(second + "/" + kCheckpointFolder));
  EXPECT_FALSE(std::filesystem::exists(second + "/dense"));
  EXPECT_FALSE(std::filesystem::exists(first));
  Report(*a, job, 2, 0, Published(*a));
  Finish(*a, job, 2, 0);
  ASSERT_EQ(StateOf(job), JobState::kSucceeded);
  EXPECT_FALSE(std::filesystem::exists(second));
}

// A rank that its coordinator took for dead goes on writing by the paths that it was given.
TEST_F(CoordinatorTest, AFormerGenerationCannotTouchTheFilesOfTheNext) {
  const JobId job = Submit(1);
  const auto a = Attach("a");
  const auto again = Attach("a");
  Pass(absl::Seconds(1));
  ASSERT_EQ(Get(job).generation, 2);
  Report(*again, job, 2, 0, Published(*again));
  const std::string zombie = a->link.started[0].artifact_dir + "/compressed-tensors";
  std::filesystem::create_directories(zombie);
  std::ofstream(zombie + "/model.safetensors") << "of the former generation";
  EXPECT_EQ(coordinator_->OnRankReport(a->session, job, 1, 0, RankFinished{}),
            absl::FailedPreconditionError("this attachment is over; attach again"));
  Finish(*again, job, 2, 0);
  ASSERT_EQ(StateOf(job), JobState::kSucceeded);
  EXPECT_EQ(*ReadFile(dir_ + "/artifacts/" + job.value() + "/compressed-tensors/model.safetensors"),
            "abc");
}

TEST_F(CoordinatorTest, TheErrorThatLiesInTheJobWins) {
  const auto a = Attach("a");
  const auto b = Attach("b");
  const JobId job = Submit(2);
  Finish(*a, job, 1, 0, absl::UnavailableError("peer lost"));
  EXPECT_THAT(b->link.told, ElementsAre("stop 1/1"));
  EXPECT_EQ(StateOf(job), JobState::kRunning);
  Finish(*b, job, 1, 1, absl::NotFoundError("no such tensor"));
  EXPECT_EQ(StateOf(job), JobState::kFailed);
  EXPECT_EQ(Get(job).error, absl::NotFoundError("no such tensor"));
  EXPECT_FALSE(HasArtifactDir(job));
}

TEST_F(CoordinatorTest, ADiskWithoutRoomIsToldBeforeAnybodyWorks) {
  const Plan plan = *coordinator_->ValidateJob(TinySpec(1));
  const int64_t needed = plan.export_bytes + plan.scratch_bytes;
  free_bytes_ = needed - 1;
  Restart();
  const auto a = Attach("a");
  const JobId job = Submit(1);
  EXPECT_EQ(StateOf(job), JobState::kFailed);
  EXPECT_EQ(Get(job).error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Get(job).error.message()),
              HasSubstr("the artifacts and checkpoints will need about 0.0 GiB, but " + dir_ +
                        "/artifacts has "));
  EXPECT_THAT(a->link.started, IsEmpty());
  EXPECT_FALSE(HasArtifactDir(job));
  free_bytes_ = needed;
  EXPECT_EQ(StateOf(Submit(1)), JobState::kRunning);
}

TEST_F(CoordinatorTest, SuccessNeedsArtifacts) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  Finish(*a, job, 1, 0);
  EXPECT_EQ(Get(job).error,
            absl::FailedPreconditionError("all ranks ended without publishing the artifacts"));
}

TEST_F(CoordinatorTest, ALostWorkerStartsANewGeneration) {
  const auto a = Attach("a");
  auto b = Attach("b");
  const JobId job = Submit(2);
  Report(*a, job, 1, 0, Event(LayerQuantized{0, 0, 1, {}}));
  coordinator_->DetachAgent(b->session, "its connection broke");
  EXPECT_THAT(a->link.told, ElementsAre("stop 1/0"));
  EXPECT_EQ(StateOf(job), JobState::kRunning);
  Finish(*a, job, 1, 0, absl::CancelledError("stopped"));
  EXPECT_EQ(StateOf(job), JobState::kRecovering);
  EXPECT_EQ(Get(job).error, absl::UnavailableError("worker b was lost: its connection broke"));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle, WorkerState::kLost));

  const auto c = Attach("c");
  EXPECT_EQ(StateOf(job), JobState::kRecovering);  // not before a pause
  Pass(absl::Seconds(1));
  EXPECT_EQ(StateOf(job), JobState::kRunning);
  EXPECT_EQ(Get(job).generation, 2);
  EXPECT_EQ(Get(job).layers_quantized, 0);
  // What the first generation still says is dropped.
  Report(*a, job, 1, 0, Event(LayerQuantized{1, 0, 1, {}}));
  Report(*a, job, 1, 0, RankFinished{});
  EXPECT_EQ(coordinator_->stale_reports(), 2);
  EXPECT_EQ(Get(job).layers_quantized, 0);
  EXPECT_EQ(coordinator_->OnHeartbeat(b->session),
            absl::FailedPreconditionError("this attachment is over; attach again"));
}

TEST_F(CoordinatorTest, RetriesEndAfterPausesThatDouble) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  for (int64_t generation = 1; generation <= 3; ++generation) {
    ASSERT_EQ(Get(job).generation, generation);
    Finish(*a, job, generation, 0, absl::InternalError("rank 0 died of signal 9"));
    if (generation == 2) Pass(absl::Seconds(1));  // not enough for the second time
    ASSERT_EQ(Get(job).generation, generation);
    Pass(absl::Seconds(1));
  }
  EXPECT_EQ(StateOf(job), JobState::kFailed);
  EXPECT_EQ(Get(job).error, absl::InternalError("after 3 attempts: rank 0 died of signal 9"));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle));
}

TEST_F(CoordinatorTest, ARestartForgetsNoRetryAndCostsNone) {
  const JobId job = Submit(1);
  for (int64_t generation = 1; generation <= 5; ++generation) {
    const auto a = Attach("a");
    Pass(absl::Seconds(5));
    ASSERT_EQ(Get(job).generation, generation);
    if (generation % 2 == 1) Finish(*a, job, generation, 0, absl::InternalError("died"));
    if (generation < 5) Restart();
  }
  EXPECT_EQ(Get(job).error, absl::InternalError("after 3 attempts: died"));
}

TEST_F(CoordinatorTest, AWorkerThatIsToldToGoCostsNoRetry) {
  const JobId job = Submit(2);
  const auto a = Attach("a");
  for (int64_t generation = 1; generation <= 5; ++generation) {
    const auto b = Attach("b");
    Pass(absl::Seconds(5));
    ASSERT_EQ(Get(job).generation, generation);
    coordinator_->DetachAgent(b->session, "it was told to go", Departure::kLeft);
    Finish(*a, job, generation, 0, absl::UnavailableError("lost its peer"));
    ASSERT_EQ(StateOf(job), JobState::kRecovering);
    EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle));  // b is gone, not lost
  }
  EXPECT_EQ(Get(job).retries, 0);
  // What is wrong with the job itself still counts while a worker goes.
  const auto b = Attach("b");
  coordinator_->DetachAgent(b->session, "it was told to go", Departure::kLeft);
  Finish(*a, job, 6, 0, absl::InternalError("rank 0 died of signal 11"));
  EXPECT_EQ(Get(job).retries, 1);
}

TEST_F(CoordinatorTest, CancelIsAtOnceAndWorkersFollow) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  EXPECT_EQ(coordinator_->Cancel(job)->state, JobState::kCancelled);
  EXPECT_THAT(a->link.told, ElementsAre("stop 1/0"));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kBusy));
  const JobId next = Submit(1);
  Report(*a, job, 1, 0, Event(Note{Severity::kInfo, 0, "late"}));
  Finish(*a, job, 1, 0, absl::CancelledError("stopped"));
  EXPECT_EQ(StateOf(job), JobState::kCancelled);
  EXPECT_FALSE(HasArtifactDir(job));
  EXPECT_EQ(StateOf(next), JobState::kRunning);
  EXPECT_EQ(coordinator_->Cancel(job).status(),
            absl::FailedPreconditionError("job " + job.value() +
                                          " has ended (CANCELLED); only a job that has not can be "
                                          "cancelled"));
}

TEST_F(CoordinatorTest, JobsOutliveTheProcess) {
  const auto a = Attach("a");
  const JobId running = Submit(1);
  const JobId queued = Submit(2);
  ASSERT_EQ(StateOf(running), JobState::kRunning);
  Restart();
  EXPECT_EQ(StateOf(running), JobState::kRecovering);
  EXPECT_FALSE(HasArtifactDir(running));
  EXPECT_EQ(StateOf(queued), JobState::kQueued);
  const auto b = Attach("b");
  EXPECT_EQ(StateOf(running), JobState::kRunning);
  EXPECT_EQ(Get(running).generation, 2);
}

TEST_F(CoordinatorTest, SilentWorkersAreLost) {
  const auto a = Attach("a");
  Pass(absl::Seconds(29));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle));
  EXPECT_TRUE(coordinator_->OnHeartbeat(a->session).ok());
  Pass(absl::Seconds(31));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kLost));
  Pass(absl::Minutes(11));
  EXPECT_THAT(WorkerStates(), IsEmpty());
}

TEST_F(CoordinatorTest, WhoSleepsItselfTakesNobodyForLost) {
  const auto a = Attach("a");
  Pass(absl::Seconds(1));
  clock_.now += absl::Hours(1);  // this process was stopped
  coordinator_->Tick();
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kIdle));
  Pass(absl::Seconds(31));
  EXPECT_THAT(WorkerStates(), ElementsAre(WorkerState::kLost));
}

TEST_F(CoordinatorTest, AGangThatReportsNothingHasAStuckRank) {
  const auto a = Attach("a");
  const auto b = Attach("b");
  const JobId job = Submit(2);
  Beat({a.get(), b.get()}, absl::Minutes(29));
  Report(*b, job, 1, 1, Event(Progress{Phase::kTeacher, 1, 2, 4, "layers"}));  // a waits for it
  Beat({a.get(), b.get()}, absl::Minutes(30));
  EXPECT_THAT(a->link.told, IsEmpty());
  Beat({a.get(), b.get()}, absl::Seconds(10));
  EXPECT_THAT(a->link.told, ElementsAre("stop 1/0"));
  EXPECT_THAT(b->link.told, ElementsAre("stop 1/1"));
  Finish(*a, job, 1, 0, absl::CancelledError("stopped"));
  Finish(*b, job, 1, 1, absl::CancelledError("stopped"));
  EXPECT_EQ(StateOf(job), JobState::kRecovering);
  EXPECT_EQ(Get(job).error, absl::UnavailableError("no rank has reported anything for 1800 s; one "
                                                   "of them is stuck"));
  EXPECT_EQ(Get(job).retries, 1);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Get(job).generation, 2);
  clock_.now += absl::Hours(1);  // this process was stopped
  coordinator_->Tick();
  EXPECT_EQ(a->link.told.size(), 1u);
}

TEST_F(CoordinatorTest, AWorkerThatAttachesAgainWasLost) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  const auto again = Attach("a");
  Pass(absl::Seconds(1));
  EXPECT_EQ(Get(job).generation, 2);
  EXPECT_EQ(again->link.started.size(), 1u);
  coordinator_->DetachAgent(a->session, "late");  // of the former attachment: no effect
  EXPECT_EQ(StateOf(job), JobState::kRunning);
}

TEST_F(CoordinatorTest, SubmitIsIdempotent) {
  const JobId job = Submit(1, "request");
  const auto again = coordinator_->Submit("request", TinySpec(1));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->existed);
  EXPECT_EQ(again->job.id, job);
  EXPECT_EQ(coordinator_->Submit("request", TinySpec(2)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(coordinator_->Submit("../x", TinySpec(1)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(coordinator_->List(0, "")->jobs.size(), 1u);
}

TEST_F(CoordinatorTest, ListsNewestFirstInPages) {
  std::vector<JobId> submitted;
  for (int i = 0; i < 5; ++i) submitted.insert(submitted.begin(), Submit(1));
  std::vector<JobId> listed;
  std::string token;
  do {
    const auto page = coordinator_->List(2, token);
    ASSERT_TRUE(page.ok());
    for (const Job& job : page->jobs) listed.push_back(job.id);
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_EQ(listed, submitted);
  EXPECT_EQ(coordinator_->List(-1, "").status(),
            absl::InvalidArgumentError("page_size is -1; it must be 0 (50) to 500"));
  EXPECT_EQ(coordinator_->List(1, "x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CoordinatorTest, WaitingForEventsEndsWithTheJob) {
  const JobId job = Submit(1);
  const auto now = coordinator_->WaitForEvents(job, 0, std::chrono::seconds(0));
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->events.size(), 1u);
  EXPECT_FALSE(now->ended);
  EXPECT_THAT(coordinator_->WaitForEvents(job, 1, std::chrono::milliseconds(1))->events, IsEmpty());
  EventBatch live;
  std::thread waiter([&] { live = *coordinator_->WaitForEvents(job, 1, std::chrono::minutes(5)); });
  EXPECT_TRUE(coordinator_->Cancel(job).ok());
  waiter.join();
  EXPECT_EQ(live.events.size(), 1u);
  EXPECT_TRUE(live.ended);
  EXPECT_TRUE(coordinator_->WaitForEvents(job, 2, std::chrono::minutes(5))->ended);
  EXPECT_EQ(coordinator_->WaitForEvents(job, 3, std::chrono::minutes(5)).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(CoordinatorTest, DrainingLeavesJobsToTheNextProcess) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  coordinator_->Drain();
  EXPECT_EQ(coordinator_->Submit("r", TinySpec(1)).status().code(), absl::StatusCode::kUnavailable);
  const int64_t last = Get(job).last_event;
  EXPECT_TRUE(absl::IsUnavailable(
      coordinator_->WaitForEvents(job, last, std::chrono::minutes(5)).status()));
  coordinator_->DetachAgent(a->session, "closed");
  EXPECT_EQ(StateOf(job), JobState::kRunning);
  EXPECT_EQ(Get(job).last_event, last);
}

TEST_F(CoordinatorTest, ArtifactsAreWhatWasPublished) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  EXPECT_EQ(coordinator_->Artifacts(job).status(),
            absl::FailedPreconditionError("job " + job.value() +
                                          " is RUNNING; artifacts are there once it is SUCCEEDED"));
  Report(*a, job, 1, 0, Published(*a));
  Finish(*a, job, 1, 0);
  const ExportFormat format = ExportFormat::kCompressedTensors;
  const auto artifact = coordinator_->Artifact(job, format, "model.safetensors");
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  EXPECT_EQ(artifact->root, dir_ + "/artifacts");
  EXPECT_EQ(artifact->path, job.value() + "/compressed-tensors/model.safetensors");
  EXPECT_EQ(coordinator_->Artifact(job, format, "other").status().code(),
            absl::StatusCode::kNotFound);
  for (const std::string name : {"..", "../../rondo.db", "/etc/passwd", "a/b", ""}) {
    EXPECT_EQ(coordinator_->Artifact(job, format, name).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST_F(CoordinatorTest, RanksCannotSpeakForTheCoordinator) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  EXPECT_EQ(
      coordinator_->OnRankReport(a->session, job, 1, 0, Event(StateChanged{JobState::kSucceeded}))
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StateOf(job), JobState::kRunning);
}

TEST_F(CoordinatorTest, AFullDiskRefusesAJobAndStopsNothing) {
  store_->create_error = absl::ResourceExhaustedError("disk full");
  EXPECT_EQ(coordinator_->Submit("r", TinySpec(1)).status(), store_->create_error);
  EXPECT_TRUE(coordinator_->health().ok());
  EXPECT_THAT(coordinator_->List(0, "")->jobs, IsEmpty());
  store_->create_error = absl::OkStatus();
  EXPECT_TRUE(coordinator_->Submit("r", TinySpec(1)).ok());
}

TEST_F(CoordinatorTest, ADiskInDoubtIsNotWrittenAgain) {
  store_->create_error = absl::InternalError("fsync failed");
  EXPECT_EQ(coordinator_->Submit("r", TinySpec(1)).status(),
            absl::InternalError("the job store failed: fsync failed"));
  store_->create_error = absl::OkStatus();
  EXPECT_TRUE(absl::IsUnavailable(coordinator_->Submit("r", TinySpec(1)).status()));
  EXPECT_FALSE(coordinator_->health().ok());
}

TEST_F(CoordinatorTest, AFailingStoreStopsEverything) {
  const auto a = Attach("a");
  const JobId job = Submit(1);
  const Job before = Get(job);
  store_->full = true;
  EXPECT_EQ(coordinator_->OnRankReport(a->session, job, 1, 0, Event(Note{Severity::kInfo, 0, "n"})),
            absl::ResourceExhaustedError("the job store failed: disk full"));
  EXPECT_THAT(std::string(coordinator_->health().message()), HasSubstr("disk full"));
  store_->full = false;
  EXPECT_TRUE(absl::IsUnavailable(coordinator_->Cancel(job).status()));
  EXPECT_TRUE(absl::IsUnavailable(coordinator_->Submit("r", TinySpec(1)).status()));
  EXPECT_EQ(Get(job).last_event, before.last_event);
  Restart();
  EXPECT_EQ(StateOf(job), JobState::kRecovering);
}

}  // namespace
}  // namespace rondo
