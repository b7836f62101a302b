// Links that are cut, slow or reset, between an agent or a client and a real coordinator. Where a
// cut outlasts the lease, both sides see its end, each by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <thread>

#include "absl/time/clock.h"
#include "tests/faults/fault_proxy.h"
#include "tests/faults/gang_fixture.h"

namespace rondo {
namespace {

using testing::HasSubstr;

// One call of Watch over the link; it has had an event when it is made.
class Watcher {
 public:
  Watcher(const std::string& link, const JobId& id)
      : client_(RondoClient::Connect(link)), thread_([this, id] { Watch(id); }) {
    EXPECT_TRUE(Eventually(kPatience, [&] { return seen_ > 0; }));
  }
  // Numbers of the events, to the end of the job.
  std::vector<int64_t> Join() {
    thread_.join();
    EXPECT_EQ(end_, absl::OkStatus());
    return numbers_;
  }

 private:
  void Watch(const JobId& id) {
    end_ = client_->Watch(id, 0, [&](const JobEvent& event) {
      numbers_.push_back(event.number);
      ++seen_;
      return true;
    });
  }

  const std::unique_ptr<RondoClient> client_;
  std::atomic<int> seen_ = 0;
  std::vector<int64_t> numbers_;  // these two are the thread's until Join()
  absl::Status end_;
  std::thread thread_;
};

class NetworkFaults : public GangFaults {
 protected:
  explicit NetworkFaults(absl::Duration patience = absl::Minutes(1)) : GangFaults(patience) {}

  // Agent a as always, b over the link.
  void StartBoth() {
    cluster_.StartAgent("a");
    cluster_.StartAgent("b", link_.address());
    ExpectAllFree(2);
  }
  // With all ranks at work.
  JobId Started(const std::string& behaviour, int workers) {
    const JobId id = Submit(behaviour, workers);
    EXPECT_TRUE(Until(
        id, [&](const Job& job) { return static_cast<int>(job.progress.size()) == workers; }));
    return id;
  }
  void ExpectCost(const Job& job, int64_t generations, int64_t steps) {
    EXPECT_EQ(job.state, JobState::kSucceeded) << job.error;
    EXPECT_EQ(job.generation, generations);
    EXPECT_EQ(job.retries, generations - 1);
    EXPECT_EQ(Notes(job.id, "resumed at step"), generations - 1);
    ExpectResult(job.id, steps);
  }
  // 1 to the job's last event.
  std::vector<int64_t> AllEvents(const JobId& id) {
    std::vector<int64_t> numbers(client_->Get(id)->last_event);
    std::iota(numbers.begin(), numbers.end(), 1);
    return numbers;
  }
  void ExpectHeldUp() {
    EXPECT_TRUE(Eventually(kPatience, [&] { return link_.bytes_held_up() > 0; }));
  }

  FaultProxy link_{cluster_.address()};
};

TEST_F(NetworkFaults, ACutShorterThanTheLeaseCostsNothing) {
  StartBoth();
  const JobId id = Started("gang-400", 2);
  for (const Cut cut : {Cut::kToServer, Cut::kToClient, Cut::kBoth}) {
    link_.CutLink(cut);
    absl::SleepFor(absl::Milliseconds(500));  // the length of the cut is what is tested
    link_.Heal();
  }
  ExpectCost(End(id), 1, 400);
  EXPECT_GT(link_.bytes_held_up(), 0);
  EXPECT_EQ(link_.connections(), 1);
  ExpectAllFree(2);
}

TEST_F(NetworkFaults, ASlowLinkCostsNothing) {
  link_.Delay(absl::Milliseconds(300));
  StartBoth();
  ExpectCost(End(Started("gang-100", 2)), 1, 100);
  EXPECT_GT(link_.bytes_held_up(), 0);
  ExpectAllFree(2);
}

TEST_F(NetworkFaults, AResetOfTheConnectionCostsAGeneration) {
  StartBoth();
  const JobId id = Started("gang-300", 2);
  link_.Reset();
  ExpectCost(End(id), 2, 300);
  EXPECT_EQ(link_.resets(), 1);
  EXPECT_EQ(link_.connections(), 2);
  ExpectAllFree(2);
}

TEST_F(NetworkFaults, AWatchGoesOnAfterCutsAndResets) {
  StartAgents({"a"});
  const JobId id = Started("gang-300", 1);
  Watcher watcher(link_.address(), id);
  for (int resets = 1; resets <= 2; ++resets) {
    EXPECT_TRUE(Eventually(kPatience, [&] { return link_.connections() == resets; }));
    const int64_t before = link_.bytes_held_up();
    link_.CutLink(resets == 1 ? Cut::kToClient : Cut::kBoth);
    EXPECT_TRUE(Eventually(kPatience, [&] { return link_.bytes_held_up() > before; }));
    link_.Reset();  // what is held up is lost
    link_.Heal();
  }
  const std::vector<int64_t> seen = watcher.Join();
  EXPECT_EQ(seen, AllEvents(id));
  EXPECT_EQ(link_.resets(), 2);
  ExpectCost(End(id), 1, 300);
}

// Where the end of a lease is waited for, or that of a keepalive.
class ImpatientNetworkFaults : public NetworkFaults {
 protected:
  ImpatientNetworkFaults() : NetworkFaults(absl::Seconds(5)) {}

  // What the agent at the end of the cut link did about its rank, knowing nothing of the others.
  void ExpectRankEndedByItsAgent() {
    EXPECT_TRUE(Eventually(kPatience, [&] {
      return cluster_.AgentLog("b").find("was stopped") != std::string::npos;
    }));
    EXPECT_THAT(cluster_.AgentLog("b"), HasSubstr("the coordinator is silent"));
  }
};

TEST_F(ImpatientNetworkFaults, AGangThatNeedsTheLostWorkerGoesOnOnceTheLinkHasHealed) {
  StartBoth();
  const JobId id = Started("gang-1800", 2);
  link_.CutLink(Cut::kBoth);
  ASSERT_TRUE(Until(id, [](const Job& job) { return job.state == JobState::kRecovering; }));
  EXPECT_EQ(Workers(WorkerState::kLost), 1);
  ExpectAllFree(1);
  ExpectHeldUp();
  link_.Heal();
  ExpectCost(End(id), 2, 1800);
  ExpectAllFree(2);
}

class Direction : public ImpatientNetworkFaults, public testing::WithParamInterface<Cut> {};

// The rank of the lost worker has no peer: nothing but its agent ends it.
TEST_P(Direction, ACutThatOutlastsTheLeaseCostsAGeneration) {
  cluster_.StartAgent("b", link_.address());
  ExpectAllFree(1);
  const JobId id = Started("gang-1800", 1);
  cluster_.StartAgent("a");
  link_.CutLink(GetParam());
  ASSERT_TRUE(Until(id, [](const Job& job) { return job.generation == 2; }));
  // What the agent hears no more of it ends itself, which the coordinator sees, if it can.
  EXPECT_EQ(WhyItEnded(id), GetParam() == Cut::kToClient
                                ? "worker b was lost: its connection broke"
                                : "worker b was lost: no heartbeat for 5 s");
  ExpectRankEndedByItsAgent();
  const Job job = End(id);
  EXPECT_EQ(job.ranks.at(0).worker, WorkerId("a"));
  ExpectHeldUp();
  link_.Heal();
  ExpectAllFree(2);  // what was held up is of sessions that are over
  ExpectCost(*client_->Get(id), 2, 1800);
}

INSTANTIATE_TEST_SUITE_P(ImpatientNetworkFaults, Direction,
                         testing::Values(Cut::kBoth, Cut::kToServer, Cut::kToClient),
                         [](const auto& info) {
                           switch (info.param) {
                             case Cut::kToServer: return "AgentToCoordinator";
                             case Cut::kToClient: return "CoordinatorToAgent";
                             default: return "Both";
                           }
                         });

// Nothing is reset: the client itself finds out, by its keepalive.
TEST_F(ImpatientNetworkFaults, AWatchGoesOnOnAnotherConnectionThanTheDeadOne) {
  StartAgents({"a"});
  const JobId id = Started("gang-1000000", 1);
  Watcher watcher(link_.address(), id);
  link_.CutLink(Cut::kToClient);
  EXPECT_TRUE(Eventually(kPatience, [&] { return link_.connections() > 1; }));
  ExpectHeldUp();
  link_.Heal();
  EXPECT_TRUE(client_->Cancel(id).ok());
  const std::vector<int64_t> seen = watcher.Join();
  EXPECT_EQ(seen, AllEvents(id));
  ExpectAllFree(1);
}

}  // namespace
}  // namespace rondo
