// What clients and watchers saw while things went wrong, and whether it keeps the promises of
// docs/reliability.md. One validator a promise; its error is the promise and how it was broken.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

enum class CallKind { kSubmit, kCancel, kGet };

// How a call ended, as far as its client can know.
enum class Outcome {
  kDone,
  kRefused,  // by an answer
  kUnknown,  // it may have been done: no answer, or one that does not say
};

Outcome OutcomeOf(const absl::Status& status);

struct Call {
  CallKind kind = CallKind::kGet;
  std::string client;
  std::string request_id;  // of kSubmit
  JobId job;               // of kSubmit, when done
  absl::Time start;
  absl::Time end;
  Outcome outcome = Outcome::kUnknown;
  JobState state = JobState::kQueued;  // that the answer told of, when done
  int64_t last_event = 0;              // likewise
};

// An event as one stream of a watcher delivered it.
struct Sighting {
  std::string watcher;
  JobId job;
  int64_t number = 0;
  std::string event;  // all that it says
};

// A job as the service told of it once all was quiet.
struct FinalJob {
  std::string request_id;
  JobState state = JobState::kQueued;
  std::vector<std::string> events;  // from number 1 on
};

struct History {
  std::vector<Call> calls;  // in the order in which they ended
  std::vector<Sighting> sightings;
  std::map<JobId, FinalJob> final_jobs;
};

// Gathers a history from many threads.
class Recorder {
 public:
  void Add(Call call);
  void Add(Sighting sighting);
  History Take(std::map<JobId, FinalJob> final_jobs);

 private:
  Mutex mu_;
  History history_ ABSL_GUARDED_BY(mu_);
};

// Everything that an event says, as bytes that can be compared.
std::string Digest(const JobEvent& event);

absl::Status CheckSubmissionsAreDurable(const History& history);
absl::Status CheckRequestsAreUnique(const History& history);
absl::Status CheckCancellationsAreDurable(const History& history);
absl::Status CheckReadsNeverGoBack(const History& history);
absl::Status CheckFinalStatesStay(const History& history);
absl::Status CheckWatchIsOrdered(const History& history);
absl::Status CheckWatchIsUnique(const History& history);
absl::Status CheckWatchIsReliable(const History& history);
absl::Status CheckWatchAgreesWithTheLog(const History& history);
absl::Status CheckHistoryIsLegal(const History& history);

// All of them.
absl::Status CheckPromises(const History& history);

}  // namespace rondo
