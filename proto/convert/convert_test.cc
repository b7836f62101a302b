#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"

namespace rondo {
namespace {

using google::protobuf::util::MessageDifferencer;

JobSpec FullSpec() {
  JobSpec spec;
  spec.model.path = "/m";
  spec.calibration = {"/c.npy", 3, 64, 9};
  spec.grid = {3, -1, false};
  spec.method = GptqSettings{0.0, ActOrder::kStatic, Propagate::kQuantized, 32};
  spec.compute = {DType::kBFloat16, 4, 2};
  spec.workers = 2;
  spec.evaluation = {{{"wiki", "/w"}, {"c4", "/d"}}, 128, 7, false};
  spec.exports = {ExportFormat::kDense, ExportFormat::kCompressedTensors};
  return spec;
}

// Every field of the message differs from its default, so a field that a conversion forgets shows.
template <typename Domain>
void ExpectRoundTrip(const Domain& value) {
  const auto proto = ToProto(value);
  const auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(proto, ToProto(*back))) << proto.DebugString();
}

std::vector<EventBody> AllBodies() {
  Plan plan{{{0, 3, 100}, {3, 5, 200}}, true, DType::kFloat16, 6, 7, 8.5, 9, 10, 11, {"note"}};
  return {StateChanged{JobState::kFailed, absl::NotFoundError("gone")},
          GangFormed{4, {{WorkerId("w"), "h", "cuda:1"}}},
          PlanMade{plan},
          Progress{Phase::kExport, 1, 2, 3, "layers"},
          PhaseFinished{Phase::kEvaluate, 1, 2.5, 3e9},
          LayerQuantized{3, 1, 0.5, {{"mlp.up_proj", 0.1, 0.01, 4}}},
          Note{Severity::kWarning, -1, "careful"},
          Evaluated{"wiki", true, 12.5, 100},
          ArtifactsPublished{{{ExportFormat::kDense, "model.safetensors", 5, "ab"}}}};
}

TEST(ConvertTest, SpecRoundTrips) {
  ExpectRoundTrip(FullSpec());
  const auto back = FromProto(ToProto(FullSpec()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(std::get<GptqSettings>(back->method).percdamp, 0.0);
  EXPECT_EQ(back->evaluation.sets[1].path, "/d");
  EXPECT_FALSE(back->grid.symmetric);
}

TEST(ConvertTest, ZeroesBecomeTheStatedDefaults) {
  v1::JobSpec proto;
  proto.mutable_gptq();
  const auto spec = FromProto(proto);
  ASSERT_TRUE(spec.ok());
  JobSpec defaults;
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(*spec), ToProto(defaults)));
  EXPECT_EQ(spec->calibration.samples, 128);
  EXPECT_EQ(spec->grid.group_size, 128);
}

TEST(ConvertTest, RefusesWhatItDoesNotKnow) {
  v1::JobSpec proto;
  EXPECT_EQ(FromProto(proto).status().message(),
            "method is not set; set one of evaluate_only, rtn, gptq");
  proto.mutable_gptq()->set_act_order(static_cast<v1::ActOrder>(7));
  EXPECT_EQ(FromProto(proto).status().message(),
            "gptq.act_order is 7, which this version does not know");
  EXPECT_EQ(FromProto(v1::JobEvent()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FromProto(v1::RankReport()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConvertTest, EvaluateOnlyExportsNothing) {
  v1::JobSpec proto;
  proto.mutable_evaluate_only();
  EXPECT_TRUE(FromProto(proto)->exports.empty());
}

TEST(ConvertTest, EveryEventRoundTrips) {
  const std::vector<EventBody> bodies = AllBodies();
  ASSERT_EQ(bodies.size(), std::variant_size_v<EventBody>);
  for (size_t i = 0; i < bodies.size(); ++i) {
    EXPECT_EQ(bodies[i].index(), i);
    ExpectRoundTrip(JobEvent{7, absl::FromUnixMillis(1234567), 2, bodies[i]});
  }
}

TEST(ConvertTest, JobRoundTrips) {
  Job job;
  job.id = JobId("j-1");
  job.request_id = "r";
  job.spec = FullSpec();
  job.created = absl::FromUnixMillis(5);
  ExpectRoundTrip(job);
  int64_t number = 0;
  for (const EventBody& body : AllBodies()) {
    Apply(JobEvent{++number, absl::FromUnixMillis(1234567), 4, body}, &job);
  }
  job.started = absl::FromUnixMillis(6);
  ExpectRoundTrip(job);
  const auto back = FromProto(ToProto(job));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->error, absl::NotFoundError("gone"));
  EXPECT_EQ(back->finished, absl::FromUnixMillis(1234567));
  EXPECT_EQ(back->progress.at(1).unit, "layers");
}

TEST(ConvertTest, TaskReportsAndWorkersRoundTrip) {
  RankTask task{JobId("j"), 2, 1, FullSpec(), {}, "h", "cpu", "/a"};
  EXPECT_EQ(FromProto(ToProto(task)).status().message(),
            "rank 1 is not one of the plan's 0 stages");
  task.plan.stages.resize(2);
  ExpectRoundTrip(task);
  ExpectRoundTrip(RankReport{RankListening{"h:1"}});
  ExpectRoundTrip(RankReport{RankFinished{absl::InternalError("x")}});
  ExpectRoundTrip(RankReport{RankFinished{}});
  ExpectRoundTrip(RankReport{JobEvent{0, absl::UnixEpoch(), 2, Note{Severity::kInfo, 0, "n"}}});
  const WorkerInfo worker{WorkerId("w"),      "h",       "0.1", "cuda:0", 5, 2, true,
                          WorkerState::kBusy, JobId("j")};
  ExpectRoundTrip(worker);
  EXPECT_EQ(FromProto(ToHello(worker))->memory_bytes, 5);
}

}  // namespace
}  // namespace rondo
