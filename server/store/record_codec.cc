#include "server/store/record_codec.h"

#include "proto/convert/event.h"
#include "proto/convert/spec.h"

namespace rondo {
namespace {

absl::Status Lost(const std::string& what, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("a stored ", what, " cannot be read: ", why.message()));
}

}  // namespace

// None of the messages has a map field, so serialization has one order.
std::string EncodeSpec(const JobSpec& spec) { return ToProto(spec).SerializeAsString(); }

absl::StatusOr<JobSpec> DecodeSpec(const std::string& bytes) {
  v1::JobSpec proto;
  if (!proto.ParseFromString(bytes)) return Lost("spec", absl::DataLossError("not a message"));
  absl::StatusOr<JobSpec> spec = FromProto(proto);
  if (!spec.ok()) return Lost("spec", spec.status());
  return spec;
}

std::string EncodeEvent(const JobEvent& event) {
  v1::JobEvent proto = ToProto(event);
  proto.clear_number();
  return proto.SerializeAsString();
}

absl::StatusOr<JobEvent> DecodeEvent(int64_t number, const std::string& bytes) {
  v1::JobEvent proto;
  if (!proto.ParseFromString(bytes)) return Lost("event", absl::DataLossError("not a message"));
  proto.set_number(number);
  absl::StatusOr<JobEvent> event = FromProto(proto);
  if (!event.ok()) return Lost("event", event.status());
  return event;
}

}  // namespace rondo
