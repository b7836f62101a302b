#include "tests/faults/soak_clients.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <deque>

#include "absl/time/clock.h"
#include "common/base/random.h"
#include "common/io/posix.h"
#include "proto/convert/spec.h"
#include "rondo/v1/service.grpc.pb.h"
#include "tests/faults/gang_result.h"
#include "tests/faults/soak_good_client.h"

namespace rondo {
namespace {

constexpr absl::Duration kClientPatience = absl::Minutes(2);

// So that the load does not depend on the machine's speed.
void Pace(SplitMix64* random, int64_t longest_ms) {
  absl::SleepFor(absl::Milliseconds(static_cast<int64_t>(random->Below(longest_ms))));
}

class HastyClient {
 public:
  HastyClient(Soak* soak, uint64_t seed) : soak_(soak), random_(seed) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    const auto channel = grpc::CreateCustomChannel(soak->cluster->address(),
                                                   grpc::InsecureChannelCredentials(), arguments);
    jobs_ = v1::JobService::NewStub(channel);
    artifacts_ = v1::ArtifactService::NewStub(channel);
  }

  void Submit(const JobSpec& spec, const std::string& request_id) {
    v1::SubmitJobRequest request;
    request.set_request_id(request_id);
    *request.mutable_spec() = ToProto(spec);
    v1::SubmitJobResponse response;
    const auto context = Context();
    const grpc::Status end = jobs_->SubmitJob(context.get(), request, &response);
    Record(kSubmit, end);
    if (!end.ok()) return;
    soak_->ledger->RecordSubmitted(JobId(response.job().id()), response.existed());
  }
  void Get() {
    v1::GetJobRequest request;
    request.set_job_id(soak_->ended.value());
    v1::GetJobResponse response;
    const auto context = Context();
    Record(kGet, jobs_->GetJob(context.get(), request, &response));
  }
  void Watch(const JobId& id) {
    v1::WatchJobRequest request;
    request.set_job_id(id.value());
    v1::WatchJobResponse response;
    const auto context = Context();
    Record(kWatch, ReadAll(jobs_->WatchJob(context.get(), request), &response));
  }
  void Download() {
    v1::DownloadArtifactRequest request;
    request.set_job_id(soak_->ended.value());
    request.set_format(ToProto(ExportFormat::kCompressedTensors));
    request.set_name(kGangArtifact);
    v1::DownloadArtifactResponse response;
    const auto context = Context();
    Record(kDownload, ReadAll(artifacts_->DownloadArtifact(context.get(), request), &response));
  }

 private:
  std::unique_ptr<grpc::ClientContext> Context() {
    static constexpr int kMicroseconds[] = {1, 100, 1'000, 5'000, 20'000};
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::microseconds(kMicroseconds[random_.Below(5)]));
    return context;
  }
  template <typename Response>
  static grpc::Status ReadAll(std::unique_ptr<grpc::ClientReader<Response>> stream,
                              Response* response) {
    while (stream->Read(response)) {
    }
    return stream->Finish();
  }
  void Record(const char* method, const grpc::Status& end) {
    if (end.error_code() == grpc::DEADLINE_EXCEEDED) ++soak_->timed_out;
    soak_->ledger->Record(method,
                          absl::Status(static_cast<absl::StatusCode>(end.error_code()), ""));
  }

  Soak* const soak_;
  SplitMix64 random_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
};

// How a client process ended: waitpid's status.
int RunProcess(Soak* soak, const std::vector<std::string>& args) {
  std::vector<std::string> all = {soak->cluster->address()};
  all.insert(all.end(), args.begin(), args.end());
  Process process("rondo-soak-client", all, {}, soak->cluster->dir() + "/clients.log");
  int how = 0;
  EXPECT_TRUE(process.WaitFor(kClientPatience, &how)) << args[0];
  return how;
}

void RunDoomed(Soak* soak, const std::string& what, const char* method, const JobId& job) {
  const int how = RunProcess(soak, {what, job.value()});
  EXPECT_TRUE(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) << what << " was not killed midway";
  soak->ledger->RecordUnknown(method);
  ++soak->killed;
}

// A connection to host:port on this machine that has sent `bytes`.
FileDescriptor Stranger(const std::string& address, const std::string& bytes) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(std::atoi(address.c_str() + address.rfind(':') + 1));
  FileDescriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);  // it may have been hung up on
  return fd;
}

}  // namespace

void RunGoodClient(Soak* soak, uint64_t seed) {
  SplitMix64 random(seed);
  GoodClient client(soak, seed);
  do {
    client.OneJob();
    for (auto reads = 20 + random.Below(80); reads > 0 && !soak->stop; --reads) {
      client.ReadAround();
      Pace(&random, 100);
    }
  } while (!soak->stop);
}

void RunHastyClient(Soak* soak, uint64_t seed) {
  SplitMix64 random(seed);
  GoodClient patient(soak, seed);
  do {
    HastyClient client(soak, random.Next());
    for (int i = 0; i < 32 && !soak->stop; ++i) {
      client.Get();
      client.Watch(soak->ended);
      client.Download();
      Pace(&random, 50);
    }
    const std::string request = "hasty-" + RandomHexId();
    client.Submit(soak->specs[0], request);
    const JobId job = patient.Submit(soak->specs[0], request);
    client.Watch(job);
    patient.Watch(job);
    Pace(&random, 1'000);
  } while (!soak->stop);
}

void RunProcesses(Soak* soak, uint64_t seed) {
  SplitMix64 random(seed);
  GoodClient patient(soak, seed);
  do {
    const JobId running = patient.Submit(soak->endless, "watched-" + RandomHexId());
    for (int i = 0; i < 3; ++i) {
      RunDoomed(soak, "die-watching", kWatch, running);
      RunDoomed(soak, "die-downloading", kDownload, soak->ended);
      Pace(&random, 500);
    }
    patient.Cancel(running);
    EXPECT_EQ(RunProcess(soak, {"fetch", soak->ended.value(), soak->cluster->dir() + "/fetched"}),
              0);
    for (const char* method : {kGet, kDownload}) soak->ledger->Record(method, absl::OkStatus());
  } while (!soak->stop);
}

void RunStrangers(Soak* soak, uint64_t seed) {
  SplitMix64 random(seed);
  std::string nonsense(4096, '\0');
  for (char& byte : nonsense) byte = static_cast<char>(random.Next());
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  // The head of a TLS ClientHello that announces 512 bytes.
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  const std::string to_grpc[] = {
      "",       preface.substr(0, 9),    preface, preface + nonsense, hello,
      nonsense, "GET / HTTP/1.1\r\n\r\n"};
  const std::string to_pages[] = {"", "GET /met", hello, nonsense, "POST /metrics HTTP/1.1\r\n"};
  std::deque<FileDescriptor> open;
  do {
    open.push_back(Stranger(soak->cluster->address(), to_grpc[random.Below(std::size(to_grpc))]));
    if (open.size() > 8) open.pop_front();
    // One at a time: two would keep the pages from everybody for as long as they may be silent.
    const FileDescriptor page =
        Stranger(soak->cluster->pages_address(), to_pages[random.Below(std::size(to_pages))]);
    soak->strangers += 2;
    Pace(&random, 200);
  } while (!soak->stop);
}

}  // namespace rondo
