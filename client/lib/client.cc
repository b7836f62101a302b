#include "client/lib/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <utility>

#include "client/lib/download.h"
#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "proto/rpc/channel.h"
#include "proto/rpc/status.h"
#include "rondo/v1/service.grpc.pb.h"

namespace rondo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kUnaryDeadline(10);
constexpr seconds kModelDeadline(60);  // calls in which the server opens a checkpoint
constexpr seconds kLongestOutage(60);  // after which a stream is not taken up again
constexpr milliseconds kFirstBackoff(100);
constexpr milliseconds kLongestBackoff(2000);

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(const ConnectionOptions& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  return MakeChannel(server, arguments);
}

// Sleeps for half to all of the backoff, and doubles it.
void BackOff(milliseconds* backoff) {
  std::random_device entropy;
  std::uniform_int_distribution<int64_t> wait(backoff->count() / 2, backoff->count());
  std::this_thread::sleep_for(milliseconds(wait(entropy)));
  *backoff = std::min(*backoff * 2, kLongestBackoff);
}

// Whether a stream that failed may be taken up again, and when to give up.
class Outage {
 public:
  void Contact() {
    contacted_ = true;
    last_contact_ = steady_clock::now();
    backoff_ = kFirstBackoff;
  }
  // Waits and returns true when it is worth another try.
  bool Retry(const absl::Status& status) {
    if (!absl::IsUnavailable(status) || !contacted_) return false;
    if (steady_clock::now() - last_contact_ > kLongestOutage) return false;
    BackOff(&backoff_);
    return true;
  }

 private:
  bool contacted_ = false;
  steady_clock::time_point last_contact_;
  milliseconds backoff_ = kFirstBackoff;
};

}  // namespace

struct RondoClient::Impl {
  Impl(const ConnectionOptions& server, std::shared_ptr<grpc::Channel> open)
      : address(server.address),
        tls(!server.authorities.empty()),
        channel(std::move(open)),
        jobs(v1::JobService::NewStub(channel)),
        artifacts(v1::ArtifactService::NewStub(channel)),
        fleet(v1::FleetService::NewStub(channel)) {}

  // The server's own words for UNAVAILABLE (draining) are kept while it is there to say them.
  absl::Status StatusOf(const grpc::Status& status) const {
    // Not by us: gRPC's word for a call that came in the instant the server stopped to take any.
    if (status.error_code() == grpc::StatusCode::CANCELLED) {
      return absl::UnavailableError(
          absl::StrCat("the server at ", address, " is shutting down; try again"));
    }
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE ||
        channel->GetState(false) == GRPC_CHANNEL_READY) {
      return FromGrpc(status);
    }
    if (tls) {
      return absl::UnavailableError(absl::StrCat("no rondo server answers over TLS at ", address,
                                                 " (", status.error_message(),
                                                 "); check --server and the files of --tls-*"));
    }
    return absl::UnavailableError(absl::StrCat("no rondo server answers at ", address,
                                               "; start one with rondo-server, or check --server"));
  }

  template <typename Stub, typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    Stub* stub, const Request& request, Response* response,
                    seconds deadline = kUnaryDeadline) const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    return StatusOf((stub->*method)(&context, request, response));
  }

  // One stream of events; `after` and `outage` advance. Stopped by the callback: *stopped.
  absl::Status WatchOnce(const JobId& id, const EventCallback& on_event, int64_t* after,
                         Outage* outage, bool* stopped) const;
  absl::Status DownloadOnce(const v1::DownloadArtifactRequest& identity, PartialFile* file,
                            ArtifactInfo* info, Outage* outage) const;

  const std::string address;
  const bool tls;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::JobService::Stub> jobs;
  const std::unique_ptr<v1::ArtifactService::Stub> artifacts;
  const std::unique_ptr<v1::FleetService::Stub> fleet;
};

absl::Status RondoClient::Impl::WatchOnce(const JobId& id, const EventCallback& on_event,
                                          int64_t* after, Outage* outage, bool* stopped) const {
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_job_id(id.value());
  request.set_after_event(*after);
  const auto stream = jobs->WatchJob(&context, request);
  v1::WatchJobResponse response;
  absl::Status bad;
  while (bad.ok() && !*stopped && stream->Read(&response)) {
    outage->Contact();
    if (!response.has_event()) continue;
    const absl::StatusOr<JobEvent> event = FromProto(response.event());
    bad = event.status();
    if (!event.ok()) continue;
    *after = event->number;
    *stopped = !on_event(*event);
  }
  if (!bad.ok() || *stopped) context.TryCancel();
  const grpc::Status end = stream->Finish();
  if (!bad.ok() || *stopped) return bad;
  return StatusOf(end);
}

absl::Status RondoClient::Impl::DownloadOnce(const v1::DownloadArtifactRequest& identity,
                                             PartialFile* file, ArtifactInfo* info,
                                             Outage* outage) const {
  v1::DownloadArtifactRequest request = identity;
  request.set_offset(file->bytes());
  grpc::ClientContext context;
  const auto stream = artifacts->DownloadArtifact(&context, request);
  v1::DownloadArtifactResponse response;
  absl::Status bad;
  while (bad.ok() && stream->Read(&response)) {
    outage->Contact();
    if (response.has_info()) {
      absl::StatusOr<ArtifactInfo> received = FromProto(response.info());
      bad = received.status();
      if (received.ok()) *info = *std::move(received);
    }
    if (bad.ok()) bad = file->Append(response.data());
  }
  if (!bad.ok()) context.TryCancel();
  const grpc::Status end = stream->Finish();
  return bad.ok() ? StatusOf(end) : bad;
}

RondoClient::RondoClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RondoClient::~RondoClient() = default;

absl::StatusOr<std::unique_ptr<RondoClient>> RondoClient::Connect(const ConnectionOptions& server) {
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, OpenChannel(server));
  return std::unique_ptr<RondoClient>(
      new RondoClient(std::make_unique<Impl>(server, std::move(channel))));
}

std::unique_ptr<RondoClient> RondoClient::Connect(const std::string& address) {
  // Without files there is nothing to refuse.
  return *Connect(ConnectionOptions{.address = address});
}

absl::StatusOr<SubmittedJob> RondoClient::Submit(const JobSpec& spec,
                                                 const std::string& request_id) {
  v1::SubmitJobRequest request;
  request.set_request_id(request_id);
  *request.mutable_spec() = ToProto(spec);
  v1::SubmitJobResponse response;
  RETURN_IF_ERROR(impl_->Call(&v1::JobService::Stub::SubmitJob, impl_->jobs.get(), request,
                              &response, kModelDeadline));
  ASSIGN_OR_RETURN(Job job, FromProto(response.job()));
  return SubmittedJob{std::move(job), response.existed()};
}

absl::StatusOr<Plan> RondoClient::Validate(const JobSpec& spec) {
  v1::ValidateJobRequest request;
  *request.mutable_spec() = ToProto(spec);
  v1::ValidateJobResponse response;
  RETURN_IF_ERROR(impl_->Call(&v1::JobService::Stub::ValidateJob, impl_->jobs.get(), request,
                              &response, kModelDeadline));
  return FromProto(response.plan());
}

absl::StatusOr<Job> RondoClient::Get(const JobId& id) {
  v1::GetJobRequest request;
  request.set_job_id(id.value());
  v1::GetJobResponse response;
  RETURN_IF_ERROR(
      impl_->Call(&v1::JobService::Stub::GetJob, impl_->jobs.get(), request, &response));
  return FromProto(response.job());
}

absl::StatusOr<JobPage> RondoClient::List(int page_size, const std::string& page_token) {
  v1::ListJobsRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  v1::ListJobsResponse response;
  RETURN_IF_ERROR(
      impl_->Call(&v1::JobService::Stub::ListJobs, impl_->jobs.get(), request, &response));
  JobPage page{{}, response.next_page_token()};
  for (const v1::Job& job : response.jobs()) {
    ASSIGN_OR_RETURN(Job known, FromProto(job));
    page.jobs.push_back(std::move(known));
  }
  return page;
}

absl::StatusOr<Job> RondoClient::Cancel(const JobId& id) {
  v1::CancelJobRequest request;
  request.set_job_id(id.value());
  v1::CancelJobResponse response;
  RETURN_IF_ERROR(
      impl_->Call(&v1::JobService::Stub::CancelJob, impl_->jobs.get(), request, &response));
  return FromProto(response.job());
}

absl::Status RondoClient::Watch(const JobId& id, int64_t after, const EventCallback& on_event) {
  Outage outage;
  while (true) {
    bool stopped = false;
    absl::Status end = impl_->WatchOnce(id, on_event, &after, &outage, &stopped);
    if (end.ok() || !outage.Retry(end)) return end;
  }
}

absl::StatusOr<std::vector<ArtifactInfo>> RondoClient::ListArtifacts(const JobId& id) {
  v1::ListArtifactsRequest request;
  request.set_job_id(id.value());
  v1::ListArtifactsResponse response;
  RETURN_IF_ERROR(impl_->Call(&v1::ArtifactService::Stub::ListArtifacts, impl_->artifacts.get(),
                              request, &response));
  return ArtifactsFromProto(response.artifacts());
}

absl::Status RondoClient::Download(const JobId& id, ExportFormat format, const std::string& name,
                                   const std::string& path) {
  v1::DownloadArtifactRequest identity;
  identity.set_job_id(id.value());
  identity.set_format(ToProto(format));
  identity.set_name(name);
  ASSIGN_OR_RETURN(PartialFile file, PartialFile::Open(path));
  ArtifactInfo info;
  Outage outage;
  while (true) {
    absl::Status end = impl_->DownloadOnce(identity, &file, &info, &outage);
    if (end.ok()) return file.Finish(info);
    if (absl::IsOutOfRange(end) && file.bytes() > 0) {
      RETURN_IF_ERROR(file.Clear());  // a leftover of another artifact
      continue;
    }
    if (!outage.Retry(end)) return end;
  }
}

absl::StatusOr<std::vector<WorkerInfo>> RondoClient::ListWorkers() {
  v1::ListWorkersResponse response;
  RETURN_IF_ERROR(impl_->Call(&v1::FleetService::Stub::ListWorkers, impl_->fleet.get(),
                              v1::ListWorkersRequest(), &response));
  std::vector<WorkerInfo> workers;
  for (const v1::Worker& worker : response.workers()) {
    ASSIGN_OR_RETURN(WorkerInfo known, FromProto(worker));
    workers.push_back(std::move(known));
  }
  return workers;
}

}  // namespace rondo
