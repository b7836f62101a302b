// A client whose calls, and watchers whose events, become a history.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/lib/client.h"
#include "tests/faults/history.h"

namespace rondo {

// For one thread.
class ObservedClient {
 public:
  ObservedClient(const std::string& name, const std::string& address, Recorder* recorder)
      : name_(name), client_(RondoClient::Connect(address)), recorder_(recorder) {}

  absl::StatusOr<Job> Submit(const JobSpec& spec, const std::string& request_id);
  absl::StatusOr<Job> Cancel(const JobId& id);
  absl::StatusOr<Job> Get(const JobId& id);
  // Submit again and again until there is an answer, as a client does that knows no outcome.
  absl::StatusOr<Job> SubmitUntilAnswered(const JobSpec& spec, const std::string& request_id);
  // Every event from the first on, over however many streams it takes, until the job has ended;
  // OK then.
  absl::Status Watch(const JobId& id);
  RondoClient& raw() { return *client_; }

 private:
  absl::StatusOr<Job> Record(Call call, absl::StatusOr<Job> answer);

  const std::string name_;
  const std::unique_ptr<RondoClient> client_;
  Recorder* const recorder_;
};

// Every job, once all is quiet.
absl::StatusOr<std::map<JobId, FinalJob>> ReadAll(RondoClient* client);

}  // namespace rondo
