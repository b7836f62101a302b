// What a server, an agent, a rank and a client take from the wire, and what the store reads back;
// the first byte chooses (kinds.h). What is accepted must be written as something that reads the
// same again.
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/field_comparator.h>
#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <vector>

#include "common/domain/validate.h"
#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "proto/convert/spec.h"
#include "proto/rpc/status.h"
#include "server/core/sources.h"
#include "server/store/record_codec.h"
#include "tests/fuzz/kinds.h"
#include "tests/fuzz/target.h"
#include "worker/runtime/channel.h"

namespace rondo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::util::MessageDifferencer;

// A message as the domain reads it; nothing where it is refused, in words that blame the sender.
template <typename Proto>
auto Read(const std::string& bytes) -> decltype(FromProto(Proto())) {
  Proto proto;
  if (!proto.ParseFromString(bytes)) return absl::InvalidArgumentError("not a message");
  return FromProto(proto);
}

// What the domain writes in one way only: times and errors that no program of ours sends, and of a
// job one entry for each rank and each source.
class Normalised final : public MessageDifferencer::IgnoreCriteria {
  bool IsIgnored(const Message& sent, const Message&, const FieldDescriptor* field,
                 const std::vector<MessageDifferencer::SpecificField>&) override {
    if (field->message_type() == v1::Error::descriptor()) {
      const auto& error =
          static_cast<const v1::Error&>(sent.GetReflection()->GetMessage(sent, field));
      return error.code() < 1 || error.code() > 16;
    }
    return field->full_name() == "rondo.v1.Job.progress" ||
           field->full_name() == "rondo.v1.Job.sources";
  }
};

// Whether `written` says all that was `sent`; it may state defaults besides.
bool SaysAll(Message* sent, const Message& written) {
  sent->DiscardUnknownFields();
  google::protobuf::util::DefaultFieldComparator numbers;
  numbers.set_treat_nan_as_equal(true);
  MessageDifferencer differencer;
  differencer.set_scope(MessageDifferencer::PARTIAL);
  differencer.set_field_comparator(&numbers);
  differencer.AddIgnoreCriteria(new Normalised);
  return differencer.Compare(*sent, written);
}

// `write` is the reverse of FromProto(Proto).
template <typename Proto, typename Write>
void RoundTrip(const std::string& bytes, const Write& write) {
  const auto value = Read<Proto>(bytes);
  if (!value.ok()) return Require(absl::IsInvalidArgument(value.status()), "blames the sender");
  const Proto written = write(*value);
  Proto sent;
  Require(sent.ParseFromString(bytes) && SaysAll(&sent, written), "nothing is left out");
  const auto again = Read<Proto>(written.SerializeAsString());
  Require(again.ok(), "what is written can be read");
  Require(write(*again).SerializeAsString() == written.SerializeAsString(), "it reads the same");
}

template <typename Proto>
void RoundTrip(const std::string& bytes) {
  RoundTrip<Proto>(bytes, [](const auto& value) { return ToProto(value); });
}

// As admission does, up to the point at which files are opened.
void ReadSpec(const std::string& bytes) {
  RoundTrip<v1::JobSpec>(bytes);
  const auto spec = Read<v1::JobSpec>(bytes);
  if (!spec.ok() || !Validate(*spec).ok()) return;
  const auto stored = DecodeSpec(EncodeSpec(*spec));
  Require(stored.ok() && Validate(*stored).ok(), "a good spec is good when it is read back");
  (void)RemoteSources(*spec).size();
  ModelConfig config;
  config.model_type = "llama";
  config.num_layers = 2;
  config.hidden_size = 64;
  config.intermediate_size = 192;
  config.num_heads = config.num_kv_heads = 4;
  config.head_dim = 16;
  static const ModelLayout layout = *LayoutOf(config);
  (void)ValidateForModel(*spec, layout, config.num_layers).ok();
}

// A history of records, each after its length in one byte: whatever a rank has reported, the job
// that it makes can be stored and shown.
void FoldHistory(std::string_view records) {
  Job job;
  while (!records.empty()) {
    const std::string record(records.substr(1, static_cast<uint8_t>(records[0])));
    records.remove_prefix(record.size() + 1);
    const auto event = DecodeEvent(job.last_event + 1, record);
    if (!event.ok()) continue;
    const auto stored = DecodeEvent(event->number, EncodeEvent(*event));
    Require(stored.ok() && EncodeEvent(*stored) == EncodeEvent(*event), "it is stored as it is");
    Apply(*event, &job);
  }
  RoundTrip<v1::Job>(ToProto(job).SerializeAsString());
}

// Details of an error, as a server may send them to a client.
void ReadErrorDetails(const std::string& bytes) {
  const grpc::Status sent(grpc::StatusCode::UNAVAILABLE, "why", bytes);
  const absl::Status status = FromGrpc(sent);
  Require(absl::IsUnavailable(status) && status.message() == "why", "details change no status");
  Require(FromGrpc(ToGrpc(status)).code() == status.code(), "it can be passed on");
}

// Both ends of the channel between an agent and a rank on the same bytes, to the end or an error.
void ReadChannel(std::string_view bytes, bool by_rank) {
  auto ends = MakeSocketPair();
  Require(ends.ok(), "there are sockets");
  Require(
      write(ends->first.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
      "the socket holds it");
  ends->first.Reset();
  if (by_rank) {
    RankChannel rank(std::move(ends->second));
    if (rank.ReceiveTask().ok()) (void)rank.WaitForRendezvous().ok();
    return;
  }
  AgentChannel agent(std::move(ends->second));
  for (auto report = agent.Receive(); report.ok() && report->has_value();) report = agent.Receive();
}

// Whole frames come out as they went in; what follows them is too long or cut off.
void ReadFrames(std::string_view bytes) {
  auto ends = MakeSocketPair();
  auto copy = MakeSocketPair();
  Require(ends.ok() && copy.ok(), "there are sockets");
  Require(
      write(ends->first.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
      "the socket holds it");
  ends->first.Reset();
  for (auto frame = ReceiveFrame(ends->second.get()); frame.ok() && frame->has_value();
       frame = ReceiveFrame(ends->second.get())) {
    Require(SendFrame(copy->first.get(), **frame).ok(), "it can be passed on");
    std::string sent((*frame)->size() + 4, '\0');
    Require(read(copy->second.get(), sent.data(), sent.size()) == static_cast<ssize_t>(sent.size()),
            "all of it");
    Require(bytes.starts_with(sent), "as it came");
    bytes.remove_prefix(sent.size());
  }
}

void ReadOne(Kind kind, const std::string& bytes) {
  switch (kind) {
    case Kind::kSpec: return ReadSpec(bytes);
    case Kind::kEvent: return RoundTrip<v1::JobEvent>(bytes);
    case Kind::kJob: return RoundTrip<v1::Job>(bytes);
    case Kind::kPlan: return RoundTrip<v1::Plan>(bytes);
    case Kind::kWorker: return RoundTrip<v1::Worker>(bytes);
    case Kind::kHello: return RoundTrip<v1::AgentHello>(bytes, ToHello);
    case Kind::kTask: return RoundTrip<v1::RankTask>(bytes);
    case Kind::kReport: return RoundTrip<v1::RankReport>(bytes);
    case Kind::kArtifact: return RoundTrip<v1::ArtifactInfo>(bytes);
    case Kind::kHistory: return FoldHistory(bytes);
    case Kind::kErrorDetails: return ReadErrorDetails(bytes);
    case Kind::kCommandFrames: return ReadChannel(bytes, /*by_rank=*/true);
    case Kind::kReportFrames: return ReadChannel(bytes, /*by_rank=*/false);
    case Kind::kFrames: return ReadFrames(bytes);
  }
}

}  // namespace
}  // namespace rondo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  if (size == 0) return 0;
  rondo::ReadOne(rondo::KindOf(data[0]), std::string(rondo::AsText(data + 1, size - 1)));
  return 0;
}
