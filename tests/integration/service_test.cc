// Server and client over a real socket, with an agent that this test plays.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "client/lib/client.h"
#include "client/lib/json.h"
#include "common/io/file.h"
#include "common/io/sha256.h"
#include "proto/convert/agent.h"
#include "rondo/v1/agent.grpc.pb.h"
#include "rondo/v1/service.grpc.pb.h"
#include "server/core/coordinator.h"
#include "server/rpc/server.h"
#include "server/store/sqlite_job_store.h"

namespace rondo {
namespace {

using testing::HasSubstr;

JobSpec TinySpec() {
  JobSpec spec;
  spec.model.path = "tests/data/models/llama-tiny";
  spec.calibration = {"tests/data/text/calibration.txt", 4, 32, 0};
  spec.grid.group_size = 32;
  spec.workers = 1;
  return spec;
}

// An agent of one worker: says what the test tells it to.
class ScriptedAgent {
 public:
  ScriptedAgent(const std::string& address, const std::string& id)
      : stub_(v1::AgentService::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->Attach(&context_)) {
    v1::AgentMessage message;
    *message.mutable_hello() =
        ToHello({WorkerId(id), "127.0.0.1", "0.1", "cpu", 1 << 30, 1, false});
    stream_->Write(message);
    EXPECT_TRUE(stream_->Read(&pending_));  // a heartbeat, or work at once: it is attached
  }
  ~ScriptedAgent() {
    context_.TryCancel();
    stream_->Finish();
  }

  // The next message that is no heartbeat.
  v1::CoordinatorMessage Next() {
    v1::CoordinatorMessage message = std::move(pending_);
    pending_.mutable_heartbeat();
    while (message.has_heartbeat()) EXPECT_TRUE(stream_->Read(&message));
    return message;
  }
  void Report(const v1::RankId& rank, const RankReport& report) {
    v1::AgentMessage message;
    *message.mutable_rank() = rank;
    *message.mutable_report() = ToProto(report);
    EXPECT_TRUE(stream_->Write(message));
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::CoordinatorMessage>> stream_;
  v1::CoordinatorMessage pending_;
};

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() : dir_(testing::TempDir() + "/service-" + RandomHexId()) {
    EXPECT_TRUE(MakeDirs(dir_).ok());
    StartServer("127.0.0.1:0");
    client_ = RondoClient::Connect(server_->address());
  }
  void TearDown() override {
    StopServer();
    std::filesystem::remove_all(dir_);
  }

  void StartServer(const std::string& address) {
    store_ = *OpenSqliteJobStore(dir_ + "/rondo.db");
    coordinator_ = *Coordinator::Create({store_.get(), &clock_, dir_ + "/artifacts"});
    auto server = Server::Start({address, coordinator_.get()});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void StopServer() {
    server_.reset();
    coordinator_.reset();
    store_.reset();
  }

  JobId Submit() {
    const auto submitted = client_->Submit(TinySpec(), RandomHexId());
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted->job.id;
  }

  // Runs a job to its end; its one artifact has the contents.
  JobId SucceededJob(const std::string& contents) {
    ScriptedAgent agent(server_->address(), "w");
    JobId job = Submit();
    const v1::CoordinatorMessage start = agent.Next();
    const std::string dir = start.start().artifact_dir() + "/compressed-tensors";
    EXPECT_TRUE(MakeDirs(dir).ok());
    EXPECT_TRUE(WriteFileAtomically(dir + "/model.safetensors", contents).ok());
    const ArtifactInfo info{ExportFormat::kCompressedTensors, "model.safetensors",
                            static_cast<int64_t>(contents.size()), Sha256Hex(contents)};
    agent.Report(start.rank(), JobEvent{0, {}, 0, ArtifactsPublished{{info}}});
    agent.Report(start.rank(), RankFinished{});
    EXPECT_TRUE(client_->Watch(job, 0, [](const JobEvent&) { return true; }).ok());
    EXPECT_EQ(client_->Get(job)->state, JobState::kSucceeded);
    return job;
  }

  std::string dir_;
  SystemClock clock_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RondoClient> client_;
};

TEST_F(ServiceTest, SubmitIsIdempotent) {
  const auto first = client_->Submit(TinySpec(), "once");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->existed);
  const auto again = client_->Submit(TinySpec(), "once");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->existed);
  EXPECT_EQ(again->job.id, first->job.id);
  JobSpec other = TinySpec();
  other.grid.bits = 3;
  EXPECT_EQ(
      client_->Submit(other, "once").status(),
      absl::InvalidArgumentError("request_id \"once\" was used for job " + first->job.id.value() +
                                 " with another spec; choose a new request_id"));
}

TEST_F(ServiceTest, BadSpecsAreRefusedInWords) {
  JobSpec spec = TinySpec();
  spec.grid.bits = 5;
  EXPECT_EQ(client_->Submit(spec, "r").status(),
            absl::InvalidArgumentError("grid.bits is 5; it must be 2, 3, 4 or 8"));
  EXPECT_EQ(client_->Validate(spec).status(),
            absl::InvalidArgumentError("grid.bits is 5; it must be 2, 3, 4 or 8"));
  EXPECT_EQ(client_->Validate(TinySpec())->stages.size(), 1u);
}

TEST_F(ServiceTest, UnknownJobsAreNotFound) {
  const absl::Status missing = absl::NotFoundError("job j-none does not exist");
  EXPECT_EQ(client_->Get(JobId("j-none")).status(), missing);
  EXPECT_EQ(client_->Cancel(JobId("j-none")).status(), missing);
  EXPECT_EQ(client_->Watch(JobId("j-none"), 0, [](const JobEvent&) { return true; }), missing);
  EXPECT_EQ(client_->ListArtifacts(JobId("j-none")).status(), missing);
}

TEST_F(ServiceTest, ListsInPages) {
  std::vector<JobId> submitted;
  for (int i = 0; i < 3; ++i) submitted.insert(submitted.begin(), Submit());
  const auto first = client_->List(2, "");
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->jobs.size(), 2u);
  EXPECT_EQ(first->jobs[0].id, submitted[0]);
  const auto second = client_->List(2, first->next_page_token);
  ASSERT_EQ(second->jobs.size(), 1u);
  EXPECT_EQ(second->jobs[0].id, submitted[2]);
  EXPECT_EQ(second->next_page_token, "");
}

TEST_F(ServiceTest, WatchGoesOnAfterTheServerWasAway) {
  const JobId job = Submit();
  std::vector<int64_t> numbers;
  const std::string address = server_->address();
  // Restarted from within the callback: the stream breaks after its first event.
  const absl::Status end = client_->Watch(job, 0, [&](const JobEvent& event) {
    numbers.push_back(event.number);
    if (event.number == 1) {
      StopServer();
      StartServer(address);
      EXPECT_TRUE(coordinator_->Cancel(job).ok());
    }
    return true;
  });
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_THAT(numbers, testing::ElementsAre(1, 2));
}

TEST_F(ServiceTest, WatchResumesFromANumberAndStopsWhenTold) {
  const JobId job = Submit();
  ASSERT_TRUE(client_->Cancel(job).ok());
  std::vector<int64_t> numbers;
  const auto collect = [&](const JobEvent& event) {
    numbers.push_back(event.number);
    return false;
  };
  EXPECT_TRUE(client_->Watch(job, 0, collect).ok());
  EXPECT_TRUE(client_->Watch(job, 1, collect).ok());
  EXPECT_TRUE(client_->Watch(job, 2, collect).ok());
  EXPECT_THAT(numbers, testing::ElementsAre(1, 2));
  EXPECT_EQ(client_->Watch(job, 3, collect).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ServiceTest, AgentsComeAndGo) {
  {
    ScriptedAgent agent(server_->address(), "w1");
    const auto workers = client_->ListWorkers();
    ASSERT_EQ(workers->size(), 1u);
    EXPECT_EQ(workers->at(0).state, WorkerState::kIdle);
    const JobId job = Submit();
    const v1::CoordinatorMessage start = agent.Next();
    EXPECT_EQ(start.rank().job_id(), job.value());
    EXPECT_EQ(start.start().plan().stages_size(), 1);
    agent.Report(start.rank(), RankFinished{absl::NotFoundError("no such file")});
    EXPECT_TRUE(client_->Watch(job, 0, [](const JobEvent&) { return true; }).ok());
    EXPECT_EQ(client_->Get(job)->error, absl::NotFoundError("no such file"));
  }
  const JobId job = Submit();
  ScriptedAgent other(server_->address(), "w2");
  EXPECT_EQ(other.Next().start().job_id(), job.value());
}

TEST_F(ServiceTest, DownloadVerifiesAndResumes) {
  std::string contents(2'500'000, '\0');  // three chunks
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i * 31 >> 3);
  const JobId job = SucceededJob(contents);
  const ExportFormat format = ExportFormat::kCompressedTensors;
  const std::string path = dir_ + "/model.safetensors";
  ASSERT_TRUE(client_->Download(job, format, "model.safetensors", path).ok());
  EXPECT_TRUE(*ReadFile(path) == contents);
  EXPECT_FALSE(FileExists(path + ".partial"));

  // From a part that is right, from one that is wrong, and from one that is too long.
  std::ofstream(path + ".partial", std::ios::binary) << contents.substr(0, 1'234'567);
  EXPECT_TRUE(client_->Download(job, format, "model.safetensors", path).ok());
  std::ofstream(path + ".partial", std::ios::binary) << "nonsense";
  EXPECT_EQ(client_->Download(job, format, "model.safetensors", path).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(FileExists(path + ".partial"));
  std::ofstream(path + ".partial", std::ios::binary) << contents << "more";
  EXPECT_TRUE(client_->Download(job, format, "model.safetensors", path).ok());
  EXPECT_TRUE(*ReadFile(path) == contents);
}

TEST_F(ServiceTest, ArtifactNamesAreOneSegment) {
  const JobId job = SucceededJob("abc");
  const ExportFormat format = ExportFormat::kCompressedTensors;
  for (const std::string name : {"..", "../rondo.db", "/etc/passwd"}) {
    EXPECT_EQ(client_->Download(job, format, name, dir_ + "/out"),
              absl::InvalidArgumentError(
                  "artifact name \"" + name +
                  "\" is not a file name; 1 to 255 of the characters A-Z a-z 0-9 . _ - are "
                  "accepted, but not \".\" or \"..\""));
  }
  EXPECT_EQ(
      client_->Download(job, format, "other", dir_ + "/out"),
      absl::NotFoundError("job " + job.value() + " has no compressed-tensors artifact \"other\""));
  EXPECT_EQ(client_->Download(job, ExportFormat::kDense, "model.safetensors", dir_ + "/out").code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, ArtifactsThatLeadElsewhereAreNotServed) {
  const JobId job = SucceededJob("abc");
  const ExportFormat format = ExportFormat::kCompressedTensors;
  const std::string folder = dir_ + "/artifacts/" + job.value() + "/compressed-tensors";
  const std::string file = folder + "/model.safetensors";
  const auto download = [&] {
    return client_->Download(job, format, "model.safetensors", dir_ + "/out").code();
  };
  EXPECT_EQ(download(), absl::StatusCode::kOk);
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/secret", "abc").ok());
  std::filesystem::remove(file);
  std::filesystem::create_symlink(dir_ + "/secret", file);
  EXPECT_EQ(download(), absl::StatusCode::kPermissionDenied);
  std::filesystem::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(download(), absl::StatusCode::kDataLoss);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(dir_ + "/elsewhere");
  ASSERT_TRUE(WriteFileAtomically(dir_ + "/elsewhere/model.safetensors", "abc").ok());
  std::filesystem::create_directory_symlink("../../elsewhere", folder);
  EXPECT_EQ(download(), absl::StatusCode::kPermissionDenied);
}

TEST_F(ServiceTest, ADrainFinishesCallsAndAdmitsNone) {
  const std::string contents(20 << 20, 'x');  // more than the windows of the two sides hold
  const JobId job = SucceededJob(contents);
  const auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::ArtifactService::NewStub(channel);
  v1::DownloadArtifactRequest request;
  request.set_job_id(job.value());
  request.set_format(v1::EXPORT_FORMAT_COMPRESSED_TENSORS);
  request.set_name("model.safetensors");
  grpc::ClientContext context;
  const auto stream = stub->DownloadArtifact(&context, request);
  v1::DownloadArtifactResponse chunk;
  ASSERT_TRUE(stream->Read(&chunk));
  size_t received = chunk.data().size();
  EXPECT_EQ(server_->ready(), absl::OkStatus());

  std::thread drain([&] { server_->Shutdown(std::chrono::seconds(60)); });
  while (server_->ready().ok()) std::this_thread::yield();
  EXPECT_EQ(server_->alive(), absl::OkStatus());
  absl::Status late;  // what comes before the coordinator has heard of it is taken
  while (late.ok()) late = client_->Submit(TinySpec(), RandomHexId()).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  while (stream->Read(&chunk)) received += chunk.data().size();
  stream->Finish();
  // What is on the way when the last call has ended may be lost with its connection, as ever;
  // RondoClient takes it up again.
  EXPECT_GE(received, contents.size() - (4 << 20));
  drain.join();
}

TEST_F(ServiceTest, AnUnreachableServerIsNamed) {
  const std::string address = server_->address();
  StopServer();
  const auto client = RondoClient::Connect(address);
  EXPECT_EQ(client->Get(JobId("j")).status(),
            absl::UnavailableError("no rondo server answers at " + address +
                                   "; start one with rondo-server, or check --server"));
}

TEST_F(ServiceTest, TheAddressMustBeFree) {
  EXPECT_EQ(Server::Start({server_->address(), coordinator_.get()}).status(),
            absl::UnavailableError("cannot listen on " + server_->address() +
                                   "; is another server using the port?"));
}

// One message there and one back, as bytes, of a method whose messages this test does not have.
std::string CallRaw(const std::string& address, const std::string& method,
                    const std::string& request) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, method, &queue);
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  EXPECT_TRUE(wait());
  const grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  EXPECT_TRUE(wait());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  EXPECT_TRUE(wait());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(wait());
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(answer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& part : slices) bytes.append(part.begin(), part.end());
  return bytes;
}

TEST_F(ServiceTest, HealthAndReflectionAnswer) {
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(CallRaw(server_->address(), "/grpc.health.v1.Health/Check", ""), "\x08\x01");
  // ServerReflectionRequest{list_services: ""}
  const std::string services =
      CallRaw(server_->address(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2));
  for (const char* name : {"JobService", "ArtifactService", "FleetService", "AgentService"}) {
    EXPECT_THAT(services, HasSubstr(std::string("rondo.v1.") + name));
  }
}

TEST_F(ServiceTest, JsonHasTheNamesOfTheProto) {
  const JobId job = Submit();
  const std::string json = JobJson(*client_->Get(job));
  EXPECT_THAT(json, HasSubstr("\"id\":\"" + job.value() + "\""));
  EXPECT_THAT(json, HasSubstr("\"model_path\":\"tests/data/models/llama-tiny\""));
  EXPECT_THAT(json, HasSubstr("\"state\":\"JOB_STATE_QUEUED\""));
  EXPECT_THAT(json, HasSubstr("\"layers_quantized\":\"0\""));
  EXPECT_EQ(ArtifactsJson({}), "{\"artifacts\":[]}");
}

}  // namespace
}  // namespace rondo
