#include "tests/faults/soak_good_client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/io/file.h"
#include "rondo/v1/service.grpc.pb.h"
#include "tests/faults/gang_result.h"

namespace rondo {

void GoodClient::Expect(const char* method, const absl::Status& end, absl::StatusCode code) {
  EXPECT_EQ(end.code(), code) << method << " " << end;
  soak_->ledger->Record(method, end);
}

JobId GoodClient::Submit(const JobSpec& spec, const std::string& request) {
  const auto submitted = client_->Submit(spec, request);
  Expect(kSubmit, submitted.status());
  if (!submitted.ok()) return JobId();
  soak_->ledger->RecordSubmitted(submitted->job.id, submitted->existed);
  return submitted->job.id;
}

void GoodClient::Cancel(const JobId& id, absl::StatusCode code) {
  Expect(kCancel, client_->Cancel(id).status(), code);
}

Job GoodClient::Watch(const JobId& id, int64_t after) {
  Expect(kWatch, client_->Watch(id, after, [&](const JobEvent& event) {
    EXPECT_EQ(event.number, ++after) << id.value();
    return true;
  }));
  const auto job = client_->Get(id);
  Expect(kGet, job.status());
  EXPECT_TRUE(job.ok() && IsFinal(job->state)) << id.value();
  return job.value_or(Job());
}

void GoodClient::OneJob() {
  const bool endless = random_.Below(6) == 0;
  const JobSpec spec = endless ? soak_->endless : soak_->specs[random_.Below(soak_->specs.size())];
  const std::string request = "good-" + RandomHexId();
  const JobId id = Submit(spec, request);
  if (random_.Below(2) == 0) {
    EXPECT_EQ(Submit(spec, request), id);
  }
  if (endless) Cancel(id);
  const Job job = Watch(id);
  EXPECT_EQ(job.state == JobState::kCancelled, endless) << id.value();
  if (job.state == JobState::kSucceeded) return Fetch(id);
  Expect(kArtifacts, client_->ListArtifacts(id).status(), absl::StatusCode::kFailedPrecondition);
}

void GoodClient::ReadAround() {
  switch (random_.Below(9)) {
    case 0: return ListSome();
    case 1: return Expect(kWorkers, client_->ListWorkers().status());
    case 2:
      return Expect(kGet, client_->Get(JobId("j-unknown")).status(), absl::StatusCode::kNotFound);
    case 3: return Cancel(soak_->ended, absl::StatusCode::kFailedPrecondition);
    case 4: return Expect(kValidate, client_->Validate(soak_->specs[0]).status());
    case 5: Watch(soak_->ended, 2); return;
    case 6:
      return Expect(kList, client_->List(1, "nonsense").status(),
                    absl::StatusCode::kInvalidArgument);
    case 7: return SendATokenInPlaintext();
    default: return Expect(kGet, client_->Get(soak_->ended).status());
  }
}

void GoodClient::ListSome() {
  std::string token;
  for (int i = 0; i < 3; ++i) {
    const auto page = client_->List(20, token);
    Expect(kList, page.status());
    if (!page.ok() || page->next_page_token.empty()) return;
    token = page->next_page_token;
  }
}

void GoodClient::Fetch(const JobId& id) {
  const auto artifacts = client_->ListArtifacts(id);
  Expect(kArtifacts, artifacts.status());
  ASSERT_TRUE(artifacts.ok() && artifacts->size() == 1) << id.value();
  const std::string path = absl::StrCat(soak_->cluster->dir(), "/fetched-", id.value());
  Expect(kDownload, client_->Download(id, ExportFormat::kCompressedTensors, kGangArtifact, path));
  EXPECT_EQ(ReadFile(path).value_or(""), soak_->cluster->artifact(id)) << id.value();
  unlink(path.c_str());
}

void GoodClient::SendATokenInPlaintext() {
  const auto stub = v1::JobService::NewStub(
      grpc::CreateChannel(soak_->cluster->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer token");
  v1::ListJobsResponse response;
  const grpc::Status end = stub->ListJobs(&context, {}, &response);
  Expect(kList, absl::Status(static_cast<absl::StatusCode>(end.error_code()), ""),
         absl::StatusCode::kUnauthenticated);
}

}  // namespace rondo
