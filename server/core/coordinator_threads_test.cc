// Clients, agents and the clock at once, for ThreadSanitizer above all.
#include <atomic>
#include <deque>
#include <thread>

#include "common/base/mutex.h"
#include "server/core/coordinator_fixture.h"

namespace rondo {
namespace {

constexpr int kClients = 3, kAgents = 3, kJobs = 6;

// Keeps tasks until the agent's thread takes them.
class TaskQueue final : public AgentLink {
 public:
  void StartRank(const RankTask& task) override {
    MutexLock lock(&mu_);
    tasks_.push_back(task);
  }
  void SendRendezvous(const JobId&, int64_t, int, const std::string&) override {}
  void StopRank(const JobId&, int64_t, int) override {}
  std::optional<RankTask> Take() {
    MutexLock lock(&mu_);
    if (tasks_.empty()) return std::nullopt;
    RankTask task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

 private:
  Mutex mu_;
  std::deque<RankTask> tasks_ ABSL_GUARDED_BY(mu_);
};

// Attaches, ends every rank that it is given, and goes after some; again and again.
void RunAgent(Coordinator* coordinator, int number, const std::atomic<bool>& done) {
  while (!done) {
    TaskQueue link;
    const WorkerInfo info{WorkerId(absl::StrCat("w", number)), "h", "0.1", "cpu", 0, 2, true};
    const auto session = coordinator->AttachAgent(info, &link);
    ASSERT_TRUE(session.ok()) << session.status();
    for (int ended = 0; ended < 2 && !done;) {
      EXPECT_TRUE(coordinator->OnHeartbeat(*session).ok());
      const std::optional<RankTask> task = link.Take();
      if (!task) {
        std::this_thread::yield();
        continue;
      }
      ++ended;
      for (const RankReport& report :
           {RankReport(RankListening{"h:1"}), RankReport(JobEvent{0, {}, 0, Note{}}),
            RankReport(RankFinished{absl::InvalidArgumentError("bad data")})}) {
        EXPECT_TRUE(
            coordinator->OnRankReport(*session, task->job, task->generation, task->rank, report)
                .ok());
      }
    }
    // As for maintenance: the clock stands still, so no pause before another attempt would end.
    coordinator->DetachAgent(*session, "it went", Departure::kLeft);
  }
}

// Submits jobs, cancels every other one, and watches each to its end.
void RunClient(Coordinator* coordinator, int number) {
  for (int i = 0; i < kJobs; ++i) {
    const auto made = coordinator->Submit(absl::StrCat(number, "-", i), TinySpec(i % kAgents));
    ASSERT_TRUE(made.ok()) << made.status();
    const JobId id = made->job.id;
    if (i % 2 == 1) coordinator->Cancel(id).IgnoreError();  // it may have ended
    EXPECT_TRUE(coordinator->List(2, "").ok());
    int64_t seen = 0;
    for (bool ended = false; !ended;) {
      const auto batch = coordinator->WaitForEvents(id, seen, std::chrono::seconds(1));
      ASSERT_TRUE(batch.ok()) << batch.status();
      for (const JobEvent& event : batch->events) EXPECT_EQ(event.number, ++seen);
      ended = batch->ended;
    }
  }
}

TEST_F(CoordinatorTest, CallsOfManyThreadsAgree) {
  std::atomic<bool> done = false;
  std::vector<std::thread> clients, others;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] { RunClient(coordinator_.get(), i); });
  }
  for (int i = 0; i < kAgents; ++i) {
    others.emplace_back([&, i] { RunAgent(coordinator_.get(), i, done); });
  }
  others.emplace_back([&] {
    while (!done) {
      coordinator_->Tick();
      coordinator_->ListWorkers();
      std::this_thread::yield();
    }
  });
  for (std::thread& client : clients) client.join();
  done = true;
  for (std::thread& other : others) other.join();

  const auto stored = store_->LoadJobs();
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->size(), static_cast<size_t>(kClients * kJobs));
  for (const Job& job : *stored) {
    EXPECT_TRUE(IsFinal(job.state)) << JobStateName(job.state);
    EXPECT_EQ(job.last_event, Get(job.id).last_event);
  }
}

}  // namespace
}  // namespace rondo
