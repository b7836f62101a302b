#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <limits>

#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "proto/convert/testing.h"

namespace rondo {
namespace {

using google::protobuf::util::MessageDifferencer;

// Every field of the message differs from its default, so a field that a conversion forgets shows.
template <typename Domain>
void ExpectRoundTrip(const Domain& value) {
  const auto proto = ToProto(value);
  const auto back = FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(MessageDifferencer::Equals(proto, ToProto(*back))) << proto.DebugString();
}

// So that a field added to an event is added to testing.h, too.
void ExpectEveryFieldSet(const google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const auto* field = message.GetDescriptor()->field(i);
    const bool message_type = field->message_type() != nullptr;
    if (field->is_repeated()) {
      const int size = reflection->FieldSize(message, field);
      EXPECT_GT(size, 0) << field->full_name();
      if (size == 0 || !message_type) continue;
      ExpectEveryFieldSet(reflection->GetRepeatedMessage(message, field, size - 1));
    } else if (field->real_containing_oneof() == nullptr) {
      EXPECT_TRUE(reflection->HasField(message, field)) << field->full_name();
      if (message_type) ExpectEveryFieldSet(reflection->GetMessage(message, field));
    } else if (message_type && reflection->HasField(message, field)) {
      ExpectEveryFieldSet(reflection->GetMessage(message, field));
    }
  }
}

TEST(ConvertTest, SpecRoundTrips) {
  ExpectRoundTrip(FullSpec());
  const auto back = FromProto(ToProto(FullSpec()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(std::get<GptqSettings>(back->method).percdamp, 0.0);
  EXPECT_EQ(back->evaluation.sets[1].path, "/d");
  EXPECT_FALSE(back->grid.symmetric);
  ASSERT_EQ(back->overrides.size(), 2u);
  EXPECT_TRUE(back->overrides[0].skip);
  EXPECT_FALSE(back->overrides[0].bits.has_value());
  EXPECT_EQ(back->overrides[1].group_size, -1);
  EXPECT_EQ(back->overrides[1].method, LayerMethod::kRtn);
}

// Fields whose zero has a meaning, or is for Validate() to refuse, do not become their defaults.
TEST(ConvertTest, LearnedRoundingRoundTrips) {
  JobSpec spec = FullSpec();
  spec.method = LearnedRounding();
  ExpectRoundTrip(spec);
  const auto proto = ToProto(spec).learned_rounding();
  for (const google::protobuf::Message* message : std::vector<const google::protobuf::Message*>{
           &proto, &proto.codebook(), &proto.training(), &proto.gptq()}) {
    const auto* descriptor = message->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const auto* field = descriptor->field(i);
      if (field->real_containing_oneof() != nullptr) continue;
      EXPECT_TRUE(message->GetReflection()->HasField(*message, field)) << field->full_name();
    }
  }
  const auto back = FromProto(ToProto(spec));
  ASSERT_TRUE(back.ok());
  const auto& learned = std::get<LearnedRoundingSettings>(back->method);
  EXPECT_EQ(learned.training.steps, 0);
  EXPECT_EQ(learned.training.objective, Objective::kBlockThenEndToEnd);
  EXPECT_EQ(learned.training.teacher.path, "/t");
  EXPECT_EQ(std::get<CodebookSettings>(learned.parameters).clustering, Clustering::kLinf);
  for (const auto& parameters : {decltype(learned.parameters)(DenseSettings{}),
                                 decltype(learned.parameters)(LowRankSettings{0})}) {
    std::get<LearnedRoundingSettings>(spec.method).parameters = parameters;
    ExpectRoundTrip(spec);
    EXPECT_EQ(MethodName(FromProto(ToProto(spec))->method), MethodName(spec.method));
  }
  EXPECT_EQ(std::get<LowRankSettings>(
                std::get<LearnedRoundingSettings>(FromProto(ToProto(spec))->method).parameters)
                .rank,
            0);
}

TEST(ConvertTest, AbsentLearnedRoundingSettingsAreTheDefaults) {
  v1::JobSpec proto;
  proto.mutable_learned_rounding()->mutable_codebook();
  JobSpec defaults;
  defaults.method = LearnedRoundingSettings{};
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(*FromProto(proto)), ToProto(defaults)));
}

TEST(ConvertTest, RefusesUnknownLearnedRoundingEnums) {
  const auto message = [](auto spoil) {
    v1::JobSpec proto;
    proto.mutable_learned_rounding()->mutable_codebook();
    spoil(proto.mutable_learned_rounding());
    const absl::Status status = FromProto(proto).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const std::string unknown = " is 9, which this version does not know";
  using Settings = v1::LearnedRoundingSettings*;
  EXPECT_EQ(message([](Settings s) { s->set_init(static_cast<v1::RoundingInit>(9)); }),
            "learned_rounding.init" + unknown);
  EXPECT_EQ(message([](Settings s) { s->set_start(static_cast<v1::RoundingStart>(9)); }),
            "learned_rounding.start" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_codebook()->set_clustering(static_cast<v1::Clustering>(9));
            }),
            "codebook.clustering" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_codebook()->set_scope(static_cast<v1::CodebookScope>(9));
            }),
            "codebook.scope" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_training()->set_objective(static_cast<v1::Objective>(9));
            }),
            "training.objective" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_training()->set_forward(static_cast<v1::RoundingForward>(9));
            }),
            "training.forward" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_training()->set_loss(static_cast<v1::TrainingLoss>(9));
            }),
            "training.loss" + unknown);
  EXPECT_EQ(message([](Settings s) {
              s->mutable_training()->set_schedule(static_cast<v1::LearningRateSchedule>(9));
            }),
            "training.schedule" + unknown);
  EXPECT_EQ(message([](Settings s) { s->clear_parameters(); }),
            "learned_rounding.parameters is not set; set one of codebook, dense, low_rank");
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
            "method is not set; set one of evaluate_only, rtn, gptq, learned_rounding");
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
    const JobEvent event{7, absl::FromUnixMillis(1234567), 2, bodies[i]};
    ExpectRoundTrip(event);
    ExpectEveryFieldSet(ToProto(event));
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
  EXPECT_EQ(back->training->objective, "e2e");
  EXPECT_EQ(back->training_result->weights, 800);
}

TEST(ConvertTest, TaskReportsAndWorkersRoundTrip) {
  RankTask task{JobId("j"), 2, 1, FullSpec(), {}, "h", "cpu", "/a"};
  EXPECT_EQ(FromProto(ToProto(task)).status().message(), "rank 1 is not one of the plan's 0 ranks");
  task.plan.stages.resize(2);
  task.cache_dir = "/c";
  task.cache_quota_bytes = 7;
  ExpectRoundTrip(task);
  EXPECT_EQ(FromProto(ToProto(task))->cache_quota_bytes, 7);
  ExpectRoundTrip(RankReport{RankListening{"h:1"}});
  ExpectRoundTrip(RankReport{RankFinished{absl::InternalError("x")}});
  ExpectRoundTrip(RankReport{RankFinished{}});
  ExpectRoundTrip(RankReport{JobEvent{0, absl::UnixEpoch(), 2, Note{Severity::kInfo, 0, "n"}}});
  const WorkerInfo worker{WorkerId("w"),      "h",       "0.1", "cuda:0", 5, 2, true,
                          WorkerState::kBusy, JobId("j")};
  ExpectRoundTrip(worker);
  EXPECT_EQ(FromProto(ToHello(worker))->memory_bytes, 5);
}

TEST(ConvertTest, RefusesTimesThatAreNone) {
  v1::JobEvent event;
  event.mutable_note()->set_severity(v1::Note::SEVERITY_INFO);
  const auto status = [&](int64_t seconds, int nanos) {
    event.mutable_time()->set_seconds(seconds);
    event.mutable_time()->set_nanos(nanos);
    return FromProto(event).status();
  };
  EXPECT_EQ(status(253402300799, 999999999), absl::OkStatus());
  EXPECT_EQ(status(-62135596800, 0), absl::OkStatus());
  EXPECT_EQ(
      status(253402300800, 0).message(),
      "a time is 253402300800 s and 0 ns since 1970; it must be in the years 1 to 9999, with 0 "
      "to 999999999 ns");
  EXPECT_FALSE(status(std::numeric_limits<int64_t>::max(), 2147483646).ok());
  EXPECT_FALSE(status(0, -1).ok());
}

// Numbers with which others go on to calculate.
TEST(ConvertTest, RefusesNumbersThatNoWorkerAndNoPlanHas) {
  WorkerInfo worker{WorkerId("w"), "h", "0.1", "cuda:0", 5, 2, true};
  worker.rank_bytes = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(FromProto(ToHello(worker)).status().message(),
            "rank_bytes of hello is 9223372036854775807; it must be 0 to 1125899906842624");
  worker.rank_bytes = 0;
  worker.memory_bytes = -1;
  EXPECT_EQ(FromProto(ToHello(worker)).status().message(),
            "memory_bytes of hello is -1; it must be 0 to 1125899906842624");
  Plan plan;
  plan.stages.resize(2);
  for (const int replicas : {-1, std::numeric_limits<int>::max()}) {
    plan.replicas = replicas;
    EXPECT_EQ(FromProto(ToProto(plan)).status().message(),
              absl::StrCat("plan.replicas is ", replicas,
                           " for 2 stages; their product must be 0 to 1048576"));
  }
}

}  // namespace
}  // namespace rondo
