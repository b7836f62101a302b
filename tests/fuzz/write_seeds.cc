// write_seeds CORPUS: writes the seeds of the targets that take messages, which are bytes that
// nobody writes by hand, below that folder. Values: proto/convert/testing.h.
#include <iostream>

#include "common/io/file.h"
#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "proto/convert/testing.h"
#include "proto/rpc/status.h"
#include "server/core/testing.h"
#include "tests/fuzz/calls.h"
#include "tests/fuzz/kinds.h"

namespace rondo {
namespace {

using google::protobuf::MessageLite;

class Seeds {
 public:
  explicit Seeds(std::string folder) : folder_(std::move(folder)) {}

  void Write(const std::string& name, const std::string& bytes) {
    status_.Update(MakeDirs(folder_));
    status_.Update(WriteFileAtomically(JoinPath(folder_, name), bytes));
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string folder_;
  absl::Status status_;
};

// As messages_fuzz.cc reads it.
std::string Chosen(Kind kind, const std::string& bytes) { return static_cast<char>(kind) + bytes; }

std::string LittleEndian(size_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xff);
  return text;
}

std::string Frame(const MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  return LittleEndian(bytes.size(), 4) + bytes;
}

JobSpec GoodSpec() {
  JobSpec spec = TinySpec(0);
  spec.evaluation.sets = {{"wiki", "s3://bucket/w.jsonl:text"}};
  spec.evaluation.seq_len = 32;
  spec.overrides = {{.pattern = "*.down_proj", .bits = 8, .group_size = -1}};
  return spec;
}

JobSpec GoodLearnedSpec() {
  JobSpec spec = GoodSpec();
  spec.method = LearnedRoundingSettings{};
  std::get<LearnedRoundingSettings>(spec.method).training.steps = 4;
  return spec;
}

JobSpec FullLearnedSpec() {
  JobSpec spec = FullSpec();
  spec.method = LearnedRounding();
  return spec;
}

RankTask Task() {
  RankTask task{JobId("j"), 2, 1, GoodLearnedSpec(), {}, "h", "cpu", "/a", "/c"};
  task.plan.stages = {{0, 1, 5}, {1, 2, 6}};
  return task;
}

Job EndedJob() {
  Job job;
  job.id = JobId("j");
  job.spec = GoodSpec();
  for (const EventBody& body : AllBodies()) {
    Apply({job.last_event + 1, absl::FromUnixMillis(1500), 1, body}, &job);
  }
  return job;
}

void WriteMessages(Seeds* seeds) {
  for (const auto& [name, spec] : {std::pair("spec", GoodSpec()),
                                   {"learned", GoodLearnedSpec()},
                                   {"full", FullSpec()},
                                   {"learned_full", FullLearnedSpec()}}) {
    seeds->Write(name, Chosen(Kind::kSpec, ToProto(spec).SerializeAsString()));
  }
  std::string history, reports;
  for (const EventBody& body : AllBodies()) {
    const JobEvent event{7, absl::FromUnixMillis(1500), 2, body};
    const std::string bytes = ToProto(event).SerializeAsString();
    seeds->Write(absl::StrCat("event_", body.index()), Chosen(Kind::kEvent, bytes));
    history += LittleEndian(bytes.size(), 1) + bytes;
    reports += Frame(ToProto(RankReport{event}));
  }
  seeds->Write("job", Chosen(Kind::kJob, ToProto(EndedJob()).SerializeAsString()));
  seeds->Write("plan", Chosen(Kind::kPlan, ToProto(Task().plan).SerializeAsString()));
  const WorkerInfo worker{WorkerId("w"), "h", "0.1", "cuda:0", 5, 2, true};
  seeds->Write("worker", Chosen(Kind::kWorker, ToProto(worker).SerializeAsString()));
  seeds->Write("hello", Chosen(Kind::kHello, ToHello(worker).SerializeAsString()));
  seeds->Write("task", Chosen(Kind::kTask, ToProto(Task()).SerializeAsString()));
  const RankReport lost = RankFinished{absl::UnavailableError("gone")};
  seeds->Write("report", Chosen(Kind::kReport, ToProto(lost).SerializeAsString()));
  const ArtifactInfo artifact{ExportFormat::kDense, "model.safetensors", 5, std::string(64, 'a')};
  seeds->Write("artifact", Chosen(Kind::kArtifact, ToProto(artifact).SerializeAsString()));
  seeds->Write("history", Chosen(Kind::kHistory, history));
  const absl::Status refused = WithReason(absl::UnavailableError("why"), "REASON");
  seeds->Write("error", Chosen(Kind::kErrorDetails, ToGrpc(refused).error_details()));
  v1::RankCommand start, rendezvous;
  *start.mutable_start() = ToProto(Task());
  rendezvous.mutable_rendezvous()->set_address("h:1");
  seeds->Write("commands", Chosen(Kind::kCommandFrames, Frame(start) + Frame(rendezvous)));
  seeds->Write("reports", Chosen(Kind::kReportFrames, reports + Frame(ToProto(lost))));
  seeds->Write("frames",
               Chosen(Kind::kFrames, Frame(rendezvous) + Frame(v1::RankCommand()) + "\x05"));
  seeds->Write("long_frame", Chosen(Kind::kFrames, "\xff\xff\xff\xff and so on"));
}

Call CallOf(CallKind kind, const std::string& message) {
  return {static_cast<uint8_t>(kind), message};
}
Call CallOf(CallKind kind, const MessageLite& message) {
  return CallOf(kind, message.SerializeAsString());
}

Call Submit(const std::string& request_id, const JobSpec& spec) {
  v1::SubmitJobRequest request;
  request.set_request_id(request_id);
  *request.mutable_spec() = ToProto(spec);
  return CallOf(CallKind::kSubmit, request);
}

Call Attach(const std::string& worker) {
  return CallOf(CallKind::kAttach,
                ToHello({WorkerId(worker), "h", "0.1", "cpu", int64_t{1} << 40, 2, true}));
}

// Of rank 0 or 1 of the first job, in its first generation.
Call Report(int rank, const RankReport& report) {
  v1::AgentMessage message;
  *message.mutable_rank() = ToRankId(JobId("0"), 1, rank);
  *message.mutable_report() = ToProto(report);
  return CallOf(CallKind::kReport, message);
}

Call Pass(int seconds) {
  return CallOf(CallKind::kPass, std::string(1, static_cast<char>(seconds)));
}

void WriteCallSeeds(Seeds* seeds) {
  v1::ListJobsRequest list;
  list.set_page_size(1);
  v1::WatchJobRequest watch;
  watch.set_job_id("0");
  watch.set_after_event(1);
  v1::CancelJobRequest cancel;
  cancel.set_job_id("0");
  v1::ValidateJobRequest validate;
  *validate.mutable_spec() = ToProto(GoodLearnedSpec());
  const Call restart = CallOf(CallKind::kPass, "");
  const Call detach = CallOf(CallKind::kDetach, "");
  const Call list_all = CallOf(CallKind::kList, list);
  const Call watch_first = CallOf(CallKind::kWatch, watch);
  const Call cancel_first = CallOf(CallKind::kCancel, cancel);
  const Call lost = Report(0, RankFinished{absl::UnavailableError("gone")});
  const Call stopped = Report(1, RankFinished{absl::CancelledError("told to stop")});
  const Call one = Submit("a", GoodSpec()), two = Submit("b", GoodLearnedSpec());

  seeds->Write("clients", WriteCalls({one, two, one, list_all, watch_first, cancel_first,
                                      cancel_first, restart, list_all}));
  std::vector<Call> calls = {Attach("w"), Submit("a", TinySpec(1)),
                             Report(0, RankListening{"h:1"})};
  for (const EventBody& body : AllBodies()) calls.push_back(Report(0, JobEvent{0, {}, 0, body}));
  calls.insert(calls.end(), {Report(0, RankFinished{}), watch_first});
  seeds->Write("events", WriteCalls(calls));
  seeds->Write("lost_rank", WriteCalls({Attach("v"), Attach("w"), Submit("a", TinySpec(2)), lost,
                                        stopped, Pass(2), restart, Attach("v"), list_all}));
  seeds->Write("lost_worker", WriteCalls({Attach("w"), one, two, detach, Pass(60), Attach("w"),
                                          Pass(2), lost, cancel_first}));
  seeds->Write("plan", WriteCalls({Attach("w"), CallOf(CallKind::kValidate, validate)}));
}

}  // namespace
}  // namespace rondo

int main(int argc, char** argv) {
  const std::string corpus = argc > 1 ? argv[1] : "tests/fuzz/corpus";
  rondo::Seeds messages(corpus + "/messages");
  rondo::Seeds calls(corpus + "/coordinator");
  rondo::WriteMessages(&messages);
  rondo::WriteCallSeeds(&calls);
  for (const rondo::Seeds* seeds : {&messages, &calls}) {
    if (!seeds->status().ok()) {
      std::cerr << seeds->status() << "\n";
      return 1;
    }
  }
  return 0;
}
