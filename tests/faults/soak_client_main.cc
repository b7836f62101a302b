// A client of a soak as a process of its own:
//   rondo-soak-client ADDRESS die-watching JOB     kill -9 after the first event
//   rondo-soak-client ADDRESS die-downloading JOB  kill -9 after the first piece of an artifact
//   rondo-soak-client ADDRESS fetch JOB PATH       one GetJob and one download; 0 when both are OK
#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "client/lib/client.h"
#include "proto/convert/spec.h"
#include "rondo/v1/service.grpc.pb.h"
#include "tests/faults/gang_result.h"

namespace rondo {
namespace {

void DieWatching(const std::string& address, const JobId& job) {
  RondoClient::Connect(address)
      ->Watch(job, 0, [](const JobEvent&) { return raise(SIGKILL) == 0; })
      .IgnoreError();
}

void DieDownloading(const std::string& address, const JobId& job) {
  const auto stub = v1::ArtifactService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  v1::DownloadArtifactRequest request;
  request.set_job_id(job.value());
  request.set_format(ToProto(ExportFormat::kCompressedTensors));
  request.set_name(kGangArtifact);
  grpc::ClientContext context;
  const auto stream = stub->DownloadArtifact(&context, request);
  v1::DownloadArtifactResponse response;
  if (stream->Read(&response)) raise(SIGKILL);
}

int Fetch(const std::string& address, const JobId& job, const std::string& path) {
  const auto client = RondoClient::Connect(address);
  const bool fetched =
      client->Get(job).ok() &&
      client->Download(job, ExportFormat::kCompressedTensors, kGangArtifact, path).ok();
  unlink(path.c_str());
  return fetched ? 0 : 1;
}

}  // namespace
}  // namespace rondo

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives its test
  const std::string what = argv[2];
  const rondo::JobId job(argv[3]);
  if (what == "fetch" && argc == 5) return rondo::Fetch(argv[1], job, argv[4]);
  if (what == "die-watching") rondo::DieWatching(argv[1], job);
  if (what == "die-downloading") rondo::DieDownloading(argv[1], job);
  return 1;
}
