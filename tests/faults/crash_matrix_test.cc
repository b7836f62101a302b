// Each failpoint x kill -9 of a real rondo-server: the process ends there, the next one opens what
// is on the disk, and every promise to clients and watchers is checked. A failpoint that the
// workload does not reach fails its test.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "common/base/failpoint.h"
#include "tests/faults/cluster.h"
#include "tests/faults/gang_result.h"
#include "tests/faults/observed_client.h"

namespace rondo {
namespace {

constexpr int kSteps = 4;
constexpr absl::Duration kPatience = absl::Seconds(60);

// Hits of a failpoint to die at: the first; in the long form also some later ones, which a run may
// or may not reach.
std::vector<int> Hits() {
  return std::getenv("RONDO_CHAOS_LONG") == nullptr ? std::vector<int>{1}
                                                    : std::vector<int>{1, 2, 3, 5, 8};
}

class CrashMatrix : public testing::TestWithParam<std::string_view> {
 protected:
  // One job that succeeds, one that is cancelled while it runs, one while it waits; a third waits
  // in the store already, of an older schema, and will fail: its model is not there. False: the
  // server has ended before its end.
  void Work(Cluster* cluster, ObservedClient* client) {
    const auto good = client->Submit(cluster->Spec(absl::StrCat("gang-", kSteps), 2), "good");
    if (!good.ok()) return;
    std::thread watcher([&, id = good->id] { Watch(cluster, "early", id); });
    Until(client, good->id, [](const Job& job) { return IsFinal(job.state); });
    const auto endless = client->Submit(cluster->Spec("gang-1000000", 1), "endless");
    if (endless.ok() &&
        Until(client, endless->id, [](const Job& job) { return !job.progress.empty(); })) {
      client->Cancel(endless->id).IgnoreError();
    }
    const auto waiting = client->Submit(cluster->Spec("gang-1", 4), "waiting");
    if (waiting.ok()) client->Cancel(waiting->id).IgnoreError();
    early_.push_back(std::move(watcher));
  }

  // After the crash: what has no answer is asked again.
  void Finish(Cluster* cluster, ObservedClient* client) {
    const auto good =
        client->SubmitUntilAnswered(cluster->Spec(absl::StrCat("gang-", kSteps), 2), "good");
    ASSERT_TRUE(good.ok()) << good.status();
    for (const auto& [request, behaviour, workers] :
         {std::tuple("endless", "gang-1000000", 1), std::tuple("waiting", "gang-1", 4)}) {
      const auto job = client->SubmitUntilAnswered(cluster->Spec(behaviour, workers), request);
      ASSERT_TRUE(job.ok()) << job.status();
      client->Cancel(job->id).IgnoreError();  // FAILED_PRECONDITION when it was already
    }
    Watch(cluster, "late", good->id);
    for (std::thread& watcher : early_) watcher.join();
    EXPECT_EQ(client->Get(good->id)->state, JobState::kSucceeded);
    EXPECT_EQ(cluster->artifact(good->id), absl::StrCat(GangResult(kSteps)));
    ExpectQuiet(&client->raw());
  }

  void Watch(Cluster* cluster, const std::string& name, const JobId& id) {
    ObservedClient client(name, cluster->address(), &recorder_);
    EXPECT_EQ(client.Watch(id), absl::OkStatus());
  }

  // Whether `holds` came true; false when the server ended before.
  static bool Until(ObservedClient* client, const JobId& id,
                    const std::function<bool(const Job&)>& holds) {
    bool held = false;
    EXPECT_TRUE(Eventually(kPatience, [&] {
      const auto job = client->Get(id);
      held = job.ok() && holds(*job);
      return held || !job.ok();
    }));
    return held;
  }

  static void ExpectQuiet(RondoClient* client) {
    EXPECT_TRUE(Eventually(kPatience, [&] {
      const auto workers = client->ListWorkers();
      return workers.ok() && workers->size() == 2 &&
             std::all_of(workers->begin(), workers->end(),
                         [](const auto& w) { return w.state == WorkerState::kIdle; });
    })) << "a worker is still held";
    EXPECT_TRUE(Eventually(kPatience, [&] {
      const auto page = client->List(500, "");
      return page.ok() && std::all_of(page->jobs.begin(), page->jobs.end(),
                                      [](const Job& job) { return IsFinal(job.state); });
    })) << "a job has not ended";
  }

  Recorder recorder_;
  std::vector<std::thread> early_;
};

TEST_P(CrashMatrix, NothingAcknowledgedIsLost) {
  const std::string failpoint(GetParam());
  for (const int hit : Hits()) {
    SCOPED_TRACE(absl::StrCat(failpoint, ", hit ", hit));
    Cluster cluster;
    std::filesystem::copy_file("tests/data/store/schema1.db", cluster.state_dir() + "/rondo.db");
    const bool up = cluster.StartServer({absl::StrCat("RONDO_FAILPOINT=", failpoint, ":", hit)});
    if (up) {
      cluster.StartAgent("a");
      cluster.StartAgent("b");
      ObservedClient client("before", cluster.address(), &recorder_);
      Work(&cluster, &client);
      int how = 0;
      if (!cluster.server().WaitFor(absl::Seconds(2), &how)) {
        ASSERT_GT(hit, 1) << "the failpoint was never reached";
        cluster.server().Kill();
      } else {
        ASSERT_TRUE(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) << "it ended by itself: " << how;
      }
    }
    ASSERT_TRUE(cluster.StartServer());
    if (!up) {
      cluster.StartAgent("a");
      cluster.StartAgent("b");
    }
    ObservedClient client("after", cluster.address(), &recorder_);
    Finish(&cluster, &client);
    early_.clear();
    const auto jobs = ReadAll(&client.raw());
    ASSERT_TRUE(jobs.ok()) << jobs.status();
    EXPECT_EQ(jobs->size(), 6u);  // three of the older store, which are history
    EXPECT_EQ(CheckPromises(recorder_.Take(*jobs)), absl::OkStatus());
  }
}

INSTANTIATE_TEST_SUITE_P(Failpoints, CrashMatrix, testing::ValuesIn(kFailpoints),
                         [](const auto& info) {
                           std::string name(info.param);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace rondo
