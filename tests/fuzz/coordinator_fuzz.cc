// A coordinator under calls of clients, agents and ranks in any order and with any contents. The
// input is a list of calls: one byte that chooses, two of length (little-endian), a message. What
// the store holds must be what the coordinator says, at every restart and at the end.
#include <vector>

#include "common/base/log.h"
#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "server/core/coordinator.h"
#include "server/core/testing.h"
#include "server/store/sqlite_job_store.h"
#include "tests/fuzz/calls.h"
#include "tests/fuzz/kinds.h"
#include "tests/fuzz/target.h"

namespace rondo {
namespace {

// Calls name a job by its number, as no input could know an id.
class Service {
 public:
  explicit Service(const std::string& root) : root_(root) { Restart(); }

  void Do(const Call& call) {
    const std::string& bytes = call.message;
    switch (CallKindOf(call.kind)) {
      case CallKind::kSubmit: return Submit(Parsed<v1::SubmitJobRequest>(bytes));
      case CallKind::kValidate: return Validate(Parsed<v1::ValidateJobRequest>(bytes));
      case CallKind::kAttach: return Attach(Parsed<v1::AgentHello>(bytes));
      case CallKind::kReport: return Report(Parsed<v1::AgentMessage>(bytes));
      case CallKind::kCancel: return Cancel(Parsed<v1::CancelJobRequest>(bytes));
      case CallKind::kList: return List(Parsed<v1::ListJobsRequest>(bytes));
      case CallKind::kWatch: return Watch(Parsed<v1::WatchJobRequest>(bytes));
      case CallKind::kDetach: return Detach(bytes);
      case CallKind::kPass:
        return bytes.empty() ? Restart() : Pass(absl::Seconds(static_cast<uint8_t>(bytes[0])));
    }
  }

  void Compare() {
    Require(coordinator_->health().ok(), "the store works");
    const auto stored = store_->LoadJobs();
    Require(stored.ok() && stored->size() == jobs_.size(), "every job is in the store");
    for (const Job& job : *stored) {
      const auto said = coordinator_->Get(job.id);
      Require(said.ok(), "it is known");
      Require(ToProto(job).SerializeAsString() == ToProto(*said).SerializeAsString(),
              "the store holds what is said");
    }
  }

 private:
  struct Agent {
    RecordingLink link;
    AgentSession session;
  };

  template <typename Proto>
  static Proto Parsed(const std::string& bytes) {
    Proto proto;
    if (!proto.ParseFromString(bytes)) proto.Clear();
    return proto;
  }

  // A refusal is in order, a mistake of ours is not.
  static bool Answered(const absl::Status& status) {
    Require(!absl::IsInternal(status) && !absl::IsUnknown(status), "no call ends in a mistake");
    return status.ok();
  }

  JobId JobOf(const std::string& number) const {
    const size_t index = number.empty() ? 0 : static_cast<uint8_t>(number[0]) - '0';
    return index < jobs_.size() ? jobs_[index] : JobId(number);
  }

  // On files that are there: what admission reads of them has targets of its own.
  static JobSpec OnTinyModel(JobSpec spec) {
    spec.model.path = kTinyModel;
    spec.calibration.path = kCalibrationText;
    for (EvaluationSet& set : spec.evaluation.sets) set.path = kCalibrationText;
    auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
    if (learned != nullptr && !learned->training.teacher.path.empty()) {
      learned->training.teacher.path = kTinyModel;
    }
    return spec;
  }

  void Restart() {
    if (coordinator_) Compare();
    coordinator_.reset();
    agents_.clear();
    Coordinator::Options options{store_.get(), &clock_, root_};
    options.free_bytes = [](const std::string&) { return int64_t{1} << 40; };
    auto coordinator = Coordinator::Create(options);
    Require(coordinator.ok(), "it starts on what it has stored");
    coordinator_ = *std::move(coordinator);
  }

  void Submit(const v1::SubmitJobRequest& request) {
    const auto spec = FromProto(request.spec());
    if (!Answered(spec.status())) return;
    const auto made = coordinator_->Submit(request.request_id(), OnTinyModel(*spec));
    if (Answered(made.status()) && !made->existed) jobs_.push_back(made->job.id);
  }

  void Validate(const v1::ValidateJobRequest& request) {
    const auto spec = FromProto(request.spec());
    if (!Answered(spec.status())) return;
    const auto plan = coordinator_->ValidateJob(OnTinyModel(*spec));
    if (Answered(plan.status())) Require(FromProto(ToProto(*plan)).ok(), "a client can read it");
  }

  void Attach(const v1::AgentHello& hello) {
    const auto worker = FromProto(hello);
    if (!Answered(worker.status())) return;
    auto agent = std::make_unique<Agent>();
    const auto session = coordinator_->AttachAgent(*worker, &agent->link);
    if (!Answered(session.status())) return;
    agent->session = *session;
    agents_.push_back(std::move(agent));
  }

  // Of the agent that has the rank, else of the first.
  void Report(const v1::AgentMessage& message) {
    if (agents_.empty()) return;
    const auto report = FromProto(message.report());
    if (!Answered(report.status())) return;
    const v1::RankId& rank = message.rank();
    const Agent* agent = agents_[static_cast<uint32_t>(rank.rank()) % agents_.size()].get();
    Answered(coordinator_->OnRankReport(agent->session, JobOf(rank.job_id()), rank.generation(),
                                        rank.rank(), *report));
  }

  void Detach(const std::string& bytes) {
    if (agents_.empty()) return;
    const auto it = agents_.begin() + (bytes.empty() ? 0 : bytes[0] & 0x7f) % agents_.size();
    coordinator_->DetachAgent((*it)->session, "it went",
                              bytes.size() > 1 ? Departure::kLeft : Departure::kLost);
    agents_.erase(it);
  }

  void Cancel(const v1::CancelJobRequest& request) {
    Answered(coordinator_->Cancel(JobOf(request.job_id())).status());
  }

  // All pages from where the request says: each goes on where the former ended.
  void List(const v1::ListJobsRequest& request) {
    size_t listed = 0;
    std::string token = request.page_token();
    do {
      const auto page = coordinator_->List(request.page_size(), token);
      if (!Answered(page.status())) return;
      listed += page->jobs.size();
      Require(listed <= jobs_.size(), "no job is listed twice");
      token = page->next_page_token;
    } while (!token.empty());
    Require(!request.page_token().empty() || listed == jobs_.size(), "every job is listed");
  }

  void Watch(const v1::WatchJobRequest& request) {
    const auto batch = coordinator_->WaitForEvents(JobOf(request.job_id()), request.after_event(),
                                                   std::chrono::nanoseconds(0));
    if (!Answered(batch.status())) return;
    int64_t last = request.after_event();
    for (const JobEvent& event : batch->events) Require(event.number == ++last, "without gaps");
  }

  void Pass(absl::Duration time) {
    clock_.now += time;
    for (const auto& agent : agents_) (void)coordinator_->OnHeartbeat(agent->session).ok();
    coordinator_->Tick();
  }

  const std::string root_;
  const std::unique_ptr<JobStore> store_ = *OpenSqliteJobStore(":memory:");
  ManualClock clock_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::unique_ptr<Coordinator> coordinator_;
  std::vector<JobId> jobs_;
};

}  // namespace
}  // namespace rondo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rondo::FuzzDir dir;
  google::protobuf::SetLogHandler(nullptr);
  rondo::SetLogLevel(rondo::LogLevel::kError);
  rondo::Service service(dir.path());
  for (const rondo::Call& call : rondo::ReadCalls(rondo::AsText(data, size))) service.Do(call);
  service.Compare();
  return 0;
}
