// Clients and watchers at work while calls go astray and the coordinator is killed at any instant;
// afterwards every promise is checked against all that they saw. RONDO_CHAOS_SEED repeats a run's
// draws, RONDO_CHAOS_SECONDS sets its length.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "tests/faults/cluster.h"
#include "tests/faults/gang_result.h"
#include "tests/faults/observed_client.h"

namespace rondo {
namespace {

constexpr int kClients = 3;
constexpr int kSteps = 3;
constexpr absl::Duration kPatience = absl::Minutes(2);

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

class Chaos : public testing::Test {
 protected:
  // Submits, cancels and reads at random, and watches every job that it is told of.
  void Work(int number, uint64_t seed) {
    SplitMix64 random(seed);
    const std::string name = absl::StrCat("c", number);
    ObservedClient client(name, cluster_.address(), &recorder_);
    std::vector<JobId> jobs;
    std::vector<std::thread> watchers;
    for (int i = 0; !stop_; ++i) {
      const auto choice = random.Below(8);
      if (choice == 0 || jobs.empty()) {
        const std::string request = absl::StrCat(name, "-", i);
        const auto job = client.SubmitUntilAnswered(specs_[random.Below(specs_.size())], request);
        if (!job.ok()) continue;
        jobs.push_back(job->id);
        watchers.emplace_back([this, request, id = job->id] {
          ObservedClient watcher(request, cluster_.address(), &recorder_);
          EXPECT_EQ(watcher.Watch(id), absl::OkStatus()) << request;
        });
      } else if (choice == 1) {
        client.Cancel(jobs[random.Below(jobs.size())]).IgnoreError();
      } else {
        client.Get(jobs[random.Below(jobs.size())]).IgnoreError();
      }
      absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(random.Below(40))));
    }
    for (std::thread& watcher : watchers) watcher.join();
  }

  void KillAgainAndAgain(uint64_t seed, absl::Time end) {
    SplitMix64 random(seed);
    while (absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(100 + static_cast<int64_t>(random.Below(900))));
      cluster_.server().Kill();
      ++kills_;
      ASSERT_TRUE(cluster_.StartServer());
    }
  }

  bool AllEnded(RondoClient* client) {
    std::string token;
    do {
      const auto page = client->List(500, token);
      if (!page.ok()) return false;
      for (const Job& job : page->jobs) {
        if (!IsFinal(job.state)) return false;
      }
      token = page->next_page_token;
    } while (!token.empty());
    return true;
  }

  Cluster cluster_;
  Recorder recorder_;
  std::vector<JobSpec> specs_;
  std::atomic<bool> stop_ = false;
  int kills_ = 0;
};

TEST_F(Chaos, EveryPromiseHolds) {
  const auto seed =
      static_cast<uint64_t>(FromEnvironment("RONDO_CHAOS_SEED", std::random_device{}()));
  const absl::Duration length = absl::Seconds(FromEnvironment("RONDO_CHAOS_SECONDS", 6));
  std::printf("RONDO_CHAOS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  SetLogLevel(LogLevel::kWarning);
  ASSERT_TRUE(cluster_.StartServer());
  for (const char* id : {"a", "b", "c"}) cluster_.StartAgent(id);
  specs_ = {cluster_.Spec(absl::StrCat("gang-", kSteps), 1),
            cluster_.Spec(absl::StrCat("gang-", kSteps), 2),
            cluster_.Spec(absl::StrCat("gang-", kSteps, "-kill-0-1"), 1)};

  setenv("RONDO_RPC_CHAOS",
         absl::StrCat("seed=", seed, ",request=0.1,response=0.1,delay=0.1,duplicate=0.1").c_str(),
         1);
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  for (int i = 0; i < kClients; ++i) clients.emplace_back([this, i, seed] { Work(i, seed + i); });
  KillAgainAndAgain(seed, absl::Now() + length);
  stop_ = true;
  for (std::thread& client : clients) client.join();
  unsetenv("RONDO_RPC_CHAOS");

  EXPECT_GT(kills_, 2);
  const auto client = RondoClient::Connect(cluster_.address());
  ASSERT_TRUE(Eventually(kPatience, [&] { return AllEnded(client.get()); }));
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const auto workers = client->ListWorkers();
    return workers.ok() && std::all_of(workers->begin(), workers->end(), [](const auto& worker) {
             return worker.state == WorkerState::kIdle;
           });
  })) << "a worker is still held";
  const auto jobs = ReadAll(client.get());
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  int succeeded = 0;
  for (const auto& [id, job] : *jobs) {
    if (job.state != JobState::kSucceeded) continue;
    ++succeeded;
    EXPECT_EQ(cluster_.artifact(id), absl::StrCat(GangResult(kSteps))) << id.value();
  }
  const History history = recorder_.Take(*jobs);
  const auto unknown = std::count_if(history.calls.begin(), history.calls.end(),
                                     [](const Call& c) { return c.outcome == Outcome::kUnknown; });
  std::printf(
      "%d kills, %zu calls, %lld without an answer, %zu events watched, %zu jobs, %d succeeded\n",
      kills_, history.calls.size(), static_cast<long long>(unknown), history.sightings.size(),
      jobs->size(), succeeded);
  EXPECT_GT(unknown, 0);
  EXPECT_GT(succeeded, 0);
  EXPECT_EQ(CheckPromises(history), absl::OkStatus());
}

TEST_F(Chaos, ARequestThatManySendAtOnceMakesOneJob) {
  constexpr int kSenders = 16;
  constexpr int kRequests = 30;
  ASSERT_TRUE(cluster_.StartServer());
  const JobSpec spec = cluster_.Spec("gang-1", 1);
  std::barrier at_once(kSenders);
  std::vector<std::thread> senders;
  senders.reserve(kSenders);
  for (int i = 0; i < kSenders; ++i) {
    senders.emplace_back([&, i] {
      ObservedClient client(absl::StrCat("s", i), cluster_.address(), &recorder_);
      EXPECT_TRUE(client.raw().ListWorkers().ok());  // connected
      for (int request = 0; request < kRequests; ++request) {
        at_once.arrive_and_wait();
        const auto job = client.Submit(spec, absl::StrCat(request));
        EXPECT_TRUE(job.ok()) << job.status();
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  const auto jobs = ReadAll(RondoClient::Connect(cluster_.address()).get());
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->size(), static_cast<size_t>(kRequests));
}

}  // namespace
}  // namespace rondo
