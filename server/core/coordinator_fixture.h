// The coordinator on a real store, with agents that are scripted and a clock that is set by hand.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/core/coordinator.h"
#include "server/core/testing.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {

// Refuses to append when told to.
class FaultyStore final : public JobStore {
 public:
  explicit FaultyStore(std::unique_ptr<JobStore> store) : store_(std::move(store)) {}
  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& request_id,
                                                   const JobSpec& spec) override {
    return store_->FindRequest(request_id, spec);
  }
  absl::StatusOr<CreatedJob> Create(const Job& job, const JobEvent& first) override {
    RETURN_IF_ERROR(create_error);
    return store_->Create(job, first);
  }
  absl::StatusOr<int64_t> Append(const JobId& id, const std::vector<JobEvent>& events) override {
    if (full) return absl::ResourceExhaustedError("disk full");
    return store_->Append(id, events);
  }
  absl::StatusOr<std::vector<JobEvent>> ReadEvents(const JobId& id, int64_t after,
                                                   int limit) override {
    return store_->ReadEvents(id, after, limit);
  }
  absl::StatusOr<std::vector<Job>> LoadJobs() override { return store_->LoadJobs(); }

  bool full = false;
  absl::Status create_error;

 private:
  std::unique_ptr<JobStore> store_;
};

class CoordinatorTest : public testing::Test {
 public:
  CoordinatorTest() : dir_(testing::TempDir() + "/coordinator-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
    Restart();
  }
  ~CoordinatorTest() override {
    coordinator_.reset();
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

 protected:
  struct Agent {
    RecordingLink link;
    AgentSession session;
  };

  void Restart() {
    coordinator_.reset();
    store_.reset();
    store_ = std::make_unique<FaultyStore>(*OpenSqliteJobStore(dir_ + "/rondo.db"));
    Coordinator::Options options{store_.get(), &clock_, dir_ + "/artifacts"};
    options.fixed_fleet = fixed_fleet_;
    if (free_bytes_) options.free_bytes = [this](const std::string&) { return *free_bytes_; };
    auto coordinator = Coordinator::Create(options);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = *std::move(coordinator);
  }

  std::unique_ptr<Agent> Attach(const std::string& id, int64_t memory_bytes = int64_t{1} << 40) {
    auto agent = std::make_unique<Agent>();
    const WorkerInfo info{WorkerId(id), "host-" + id, "0.1", "cpu", memory_bytes, 2, true};
    const auto session = coordinator_->AttachAgent(info, &agent->link);
    EXPECT_TRUE(session.ok()) << session.status();
    agent->session = *session;
    return agent;
  }

  JobId Submit(int workers, const std::string& request_id = RandomHexId()) {
    const auto submission = coordinator_->Submit(request_id, TinySpec(workers));
    EXPECT_TRUE(submission.ok()) << submission.status();
    return submission->job.id;
  }

  Job Get(const JobId& id) { return *coordinator_->Get(id); }
  JobState StateOf(const JobId& id) { return Get(id).state; }

  void Report(const Agent& agent, const JobId& job, int64_t generation, int rank,
              const RankReport& report) {
    const absl::Status status =
        coordinator_->OnRankReport(agent.session, job, generation, rank, report);
    EXPECT_TRUE(status.ok()) << status;
  }
  void Finish(const Agent& agent, const JobId& job, int64_t generation, int rank,
              const absl::Status& status = absl::OkStatus()) {
    Report(agent, job, generation, rank, RankFinished{status});
  }
  static RankReport Event(EventBody body) { return JobEvent{0, {}, 0, std::move(body)}; }
  // What the last rank that the agent was given reports once its artifact is on the disk.
  static RankReport Published(const Agent& agent) {
    const std::string folder = agent.link.started.back().artifact_dir + "/compressed-tensors";
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/model.safetensors") << "abc";
    return Event(ArtifactsPublished{
        {{ExportFormat::kCompressedTensors, "model.safetensors", 3, std::string(64, 'a')}}});
  }
  // Time passes, and these agents beat.
  void Beat(const std::vector<const Agent*>& agents, absl::Duration time) {
    for (const absl::Time end = clock_.now + time; clock_.now < end;) {
      clock_.now += absl::Seconds(10);
      for (const Agent* agent : agents) EXPECT_TRUE(coordinator_->OnHeartbeat(agent->session).ok());
      coordinator_->Tick();
    }
  }
  // Time passes, second by second.
  void Pass(absl::Duration time) {
    for (const absl::Time end = clock_.now + time; clock_.now < end;) {
      clock_.now += absl::Seconds(1);
      coordinator_->Tick();
    }
  }

  std::vector<WorkerState> WorkerStates() {
    std::vector<WorkerState> states;
    for (const WorkerInfo& worker : coordinator_->ListWorkers()) states.push_back(worker.state);
    return states;
  }
  bool HasArtifactDir(const JobId& id) {
    return std::filesystem::exists(dir_ + "/artifacts/" + id.value());
  }

  std::string dir_;
  ManualClock clock_;
  bool fixed_fleet_ = false;           // from the next Restart()
  std::optional<int64_t> free_bytes_;  // likewise; else what the disk has
  std::unique_ptr<FaultyStore> store_;
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace rondo
