#include "tests/faults/observed_client.h"

#include "absl/time/clock.h"

namespace rondo {

absl::StatusOr<Job> ObservedClient::Record(Call call, absl::StatusOr<Job> answer) {
  call.client = name_;
  call.end = absl::Now();
  call.outcome = OutcomeOf(answer.status());
  if (answer.ok()) {
    call.job = answer->id;
    call.state = answer->state;
    call.last_event = answer->last_event;
  }
  recorder_->Add(std::move(call));
  return answer;
}

absl::StatusOr<Job> ObservedClient::Submit(const JobSpec& spec, const std::string& request_id) {
  Call call{CallKind::kSubmit, "", request_id};
  call.start = absl::Now();
  auto submitted = client_->Submit(spec, request_id);
  return Record(std::move(call), submitted.ok() ? absl::StatusOr<Job>(std::move(submitted->job))
                                                : submitted.status());
}

absl::StatusOr<Job> ObservedClient::SubmitUntilAnswered(const JobSpec& spec,
                                                        const std::string& request_id) {
  const absl::Time end = absl::Now() + absl::Minutes(1);
  while (true) {
    auto job = Submit(spec, request_id);
    if (OutcomeOf(job.status()) != Outcome::kUnknown || absl::Now() > end) return job;
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<Job> ObservedClient::Cancel(const JobId& id) {
  Call call{CallKind::kCancel, "", "", id};
  call.start = absl::Now();
  return Record(std::move(call), client_->Cancel(id));
}

absl::StatusOr<Job> ObservedClient::Get(const JobId& id) {
  Call call{CallKind::kGet, "", "", id};
  call.start = absl::Now();
  return Record(std::move(call), client_->Get(id));
}

absl::Status ObservedClient::Watch(const JobId& id) {
  const std::string watcher = name_ + "-watch";
  int64_t last = 0;
  const absl::Time end = absl::Now() + absl::Minutes(2);
  while (true) {
    const absl::Status status = client_->Watch(id, last, [&](const JobEvent& event) {
      recorder_->Add(Sighting{watcher, id, event.number, Digest(event)});
      last = event.number;
      return true;
    });
    if (OutcomeOf(status) != Outcome::kUnknown || absl::Now() > end) return status;
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<std::map<JobId, FinalJob>> ReadAll(RondoClient* client) {
  std::map<JobId, FinalJob> jobs;
  std::string token;
  do {
    ASSIGN_OR_RETURN(const JobPage page, client->List(500, token));
    for (const Job& job : page.jobs) {
      FinalJob& known = jobs[job.id];
      known.request_id = job.request_id;
      known.state = job.state;
      RETURN_IF_ERROR(client->Watch(job.id, 0, [&](const JobEvent& event) {
        known.events.push_back(Digest(event));
        return event.number < job.last_event;
      }));
    }
    token = page.next_page_token;
  } while (!token.empty());
  return jobs;
}

}  // namespace rondo
