// A cluster whose gangs meet faults: what tests wait for and expect.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/faults/cluster.h"
#include "tests/faults/gang_result.h"

namespace rondo {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

class GangFaults : public testing::Test {
 protected:
  explicit GangFaults(absl::Duration patience = absl::Minutes(1)) : cluster_(patience) {
    EXPECT_TRUE(cluster_.StartServer());
    client_ = RondoClient::Connect(cluster_.address());
  }

  void StartAgents(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) cluster_.StartAgent(id);
    ExpectAllFree(static_cast<int>(ids.size()));
  }
  int Workers(WorkerState state) {
    const auto workers = client_->ListWorkers();
    if (!workers.ok()) return -1;
    return static_cast<int>(std::count_if(workers->begin(), workers->end(),
                                          [&](const auto& w) { return w.state == state; }));
  }
  JobId Submit(const std::string& behaviour, int workers) {
    const auto submitted = client_->Submit(cluster_.Spec(behaviour, workers), RandomHexId());
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted.ok() ? submitted->job.id : JobId();
  }
  // Once the job has ended. The server may just have been away.
  Job End(const JobId& id) {
    EXPECT_TRUE(Eventually(3 * kPatience, [&] {
      const auto job = client_->Get(id);
      return job.ok() && IsFinal(job->state);
    })) << "the job has not ended";
    return client_->Get(id).value_or(Job());
  }
  bool Until(const JobId& id, const std::function<bool(const Job&)>& holds) {
    return Eventually(kPatience, [&] {
      const auto job = client_->Get(id);
      return job.ok() && holds(*job);
    });
  }
  // So far.
  std::vector<JobEvent> EventsOf(const JobId& id) {
    const int64_t last = client_->Get(id).value_or(Job()).last_event;
    std::vector<JobEvent> events;
    const absl::Status end = client_->Watch(id, 0, [&](const JobEvent& event) {
      events.push_back(event);
      return event.number < last;
    });
    EXPECT_EQ(end, absl::OkStatus());
    return events;
  }
  // How many of the job's notes contain `text`.
  int Notes(const JobId& id, const std::string& text) {
    int count = 0;
    for (const JobEvent& event : EventsOf(id)) {
      const auto* note = std::get_if<Note>(&event.body);
      count += note != nullptr && note->message.find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  // Why the job's first generation ended, in the words of its history.
  std::string WhyItEnded(const JobId& id) {
    for (const JobEvent& event : EventsOf(id)) {
      const auto* change = std::get_if<StateChanged>(&event.body);
      if (change == nullptr || change->state != JobState::kRecovering) continue;
      return std::string(change->error.message());
    }
    return "";
  }
  void ExpectResult(const JobId& id, int64_t steps) {
    EXPECT_EQ(cluster_.artifact(id), absl::StrCat(GangResult(steps)));
  }
  void ExpectAllFree(int workers) {
    EXPECT_TRUE(Eventually(kPatience, [&] { return Workers(WorkerState::kIdle) == workers; }));
  }

  Cluster cluster_;
  std::unique_ptr<RondoClient> client_;
};

}  // namespace rondo
