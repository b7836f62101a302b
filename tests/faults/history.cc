#include "tests/faults/history.h"

#include <set>
#include <utility>

#include "proto/convert/event.h"
#include "rondo/v1/job.pb.h"

namespace rondo {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("broke promise: ", parts...));
}

// Numbers that each (watcher, job) saw, in order.
std::map<std::pair<std::string, JobId>, std::vector<int64_t>> Streams(const History& history) {
  std::map<std::pair<std::string, JobId>, std::vector<int64_t>> streams;
  for (const Sighting& seen : history.sightings) {
    streams[{seen.watcher, seen.job}].push_back(seen.number);
  }
  return streams;
}

}  // namespace

Outcome OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return Outcome::kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented: return Outcome::kRefused;
    default: return Outcome::kUnknown;
  }
}

void Recorder::Add(Call call) {
  MutexLock lock(&mu_);
  history_.calls.push_back(std::move(call));
}

void Recorder::Add(Sighting sighting) {
  MutexLock lock(&mu_);
  history_.sightings.push_back(std::move(sighting));
}

History Recorder::Take(std::map<JobId, FinalJob> final_jobs) {
  MutexLock lock(&mu_);
  history_.final_jobs = std::move(final_jobs);
  return std::exchange(history_, {});
}

std::string Digest(const JobEvent& event) { return ToProto(event).SerializeAsString(); }

absl::Status CheckSubmissionsAreDurable(const History& history) {
  for (const Call& call : history.calls) {
    if (call.kind != CallKind::kSubmit || call.outcome != Outcome::kDone) continue;
    const auto job = history.final_jobs.find(call.job);
    if (job == history.final_jobs.end() || job->second.request_id != call.request_id) {
      return Broken("an acknowledged submission survives: request ", call.request_id, ", job ",
                    call.job.value(), ", is gone");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequestsAreUnique(const History& history) {
  std::map<std::string, std::set<JobId>> jobs;
  for (const auto& [id, job] : history.final_jobs) jobs[job.request_id].insert(id);
  for (const Call& call : history.calls) {
    if (call.kind != CallKind::kSubmit || call.outcome != Outcome::kDone) continue;
    jobs[call.request_id].insert(call.job);
  }
  for (const auto& [request, made] : jobs) {
    if (made.size() > 1) {
      return Broken("a request id makes one job: ", request, " made ", made.size());
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCancellationsAreDurable(const History& history) {
  for (const Call& call : history.calls) {
    if (call.kind != CallKind::kCancel || call.outcome != Outcome::kDone) continue;
    const auto job = history.final_jobs.find(call.job);
    if (job == history.final_jobs.end() || job->second.state != JobState::kCancelled) {
      return Broken("an acknowledged cancellation survives: job ", call.job.value(),
                    " did not end CANCELLED");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckReadsNeverGoBack(const History& history) {
  // A call that starts after another has ended sees what that one saw, or later.
  for (const Call& later : history.calls) {
    if (later.outcome != Outcome::kDone) continue;
    for (const Call& earlier : history.calls) {
      if (earlier.outcome != Outcome::kDone || earlier.job != later.job) continue;
      if (earlier.end < later.start && earlier.last_event > later.last_event) {
        return Broken("reads never go back: job ", later.job.value(), " was seen at event ",
                      earlier.last_event, ", later at ", later.last_event);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinalStatesStay(const History& history) {
  for (const Call& call : history.calls) {
    if (call.outcome != Outcome::kDone || !IsFinal(call.state)) continue;
    const auto job = history.final_jobs.find(call.job);
    if (job == history.final_jobs.end() || job->second.state != call.state) {
      return Broken("a job that has ended stays as it ended: job ", call.job.value(), " was ",
                    JobStateName(call.state));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWatchIsOrdered(const History& history) {
  for (const auto& [stream, numbers] : Streams(history)) {
    for (size_t i = 1; i < numbers.size(); ++i) {
      if (numbers[i] < numbers[i - 1]) {
        return Broken("watch is ordered: ", stream.first, " saw event ", numbers[i], " of job ",
                      stream.second.value(), " after event ", numbers[i - 1]);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWatchIsUnique(const History& history) {
  for (const auto& [stream, numbers] : Streams(history)) {
    std::set<int64_t> seen;
    for (const int64_t number : numbers) {
      if (!seen.insert(number).second) {
        return Broken("watch is unique: ", stream.first, " saw event ", number, " of job ",
                      stream.second.value(), " twice");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWatchIsReliable(const History& history) {
  for (const auto& [stream, numbers] : Streams(history)) {
    const std::set<int64_t> seen(numbers.begin(), numbers.end());
    int64_t expected = 1;  // every watcher starts at the first event
    for (const int64_t number : seen) {
      if (number != expected++) {
        return Broken("watch has no gap: ", stream.first, " missed an event before ", number,
                      " of job ", stream.second.value());
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWatchAgreesWithTheLog(const History& history) {
  for (const Sighting& seen : history.sightings) {
    const auto job = history.final_jobs.find(seen.job);
    const int64_t events =
        job == history.final_jobs.end() ? 0 : static_cast<int64_t>(job->second.events.size());
    if (seen.number < 1 || seen.number > events ||
        job->second.events[seen.number - 1] != seen.event) {
      return Broken("what was watched is history: event ", seen.number, " of job ",
                    seen.job.value(), " is another one, or gone");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHistoryIsLegal(const History& history) {
  for (const auto& [id, job] : history.final_jobs) {
    if (!IsFinal(job.state)) {
      return Broken("every job ends: job ", id.value(), " is ", JobStateName(job.state));
    }
    if (job.events.empty()) {
      return Broken("job history is kept: job ", id.value(), " has no events");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPromises(const History& history) {
  for (const auto check :
       {CheckSubmissionsAreDurable, CheckRequestsAreUnique, CheckCancellationsAreDurable,
        CheckReadsNeverGoBack, CheckFinalStatesStay, CheckWatchIsOrdered, CheckWatchIsUnique,
        CheckWatchIsReliable, CheckWatchAgreesWithTheLog, CheckHistoryIsLegal}) {
    RETURN_IF_ERROR(check(history));
  }
  return absl::OkStatus();
}

}  // namespace rondo
