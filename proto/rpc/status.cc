#include "proto/rpc/status.h"

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace rondo {
namespace {

// Payloads of absl::Status, by type URL as they travel.
constexpr char kErrorInfo[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";

}  // namespace

absl::Status WithReason(absl::Status status, const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kErrorDomain);
  status.SetPayload(kErrorInfo, absl::Cord(info.SerializeAsString()));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(kErrorInfo);
  if (payload.has_value() && info.ParseFromString(std::string(*payload))) return info.reason();
  return absl::StatusCodeToString(status.code());
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &delay));
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  status.SetPayload(kRetryInfo, absl::Cord(info.SerializeAsString()));
  return status;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // gRPC drops a call whose trailers exceed 8 KiB; percent-encoding may triple the message, and the
  // details repeat it in base64.
  constexpr size_t kLongest = 1500;
  const absl::string_view whole = status.message();
  size_t length = std::min(whole.size(), kLongest);
  const auto splits_character = [&](size_t at) {  // of UTF-8
    return at > 0 && at < whole.size() && (whole[at] & 0xC0) == 0x80;
  };
  while (splits_character(length)) --length;
  std::string message(whole.substr(0, length));
  std::replace(message.begin(), message.end(), '\n', ' ');

  absl::Status known = status;
  if (!known.GetPayload(kErrorInfo).has_value()) {
    known = WithReason(std::move(known), ReasonOf(status));
  }
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(message);
  known.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    google::protobuf::Any* detail = details.add_details();
    detail->set_type_url(std::string(type));
    detail->set_value(std::string(payload));
  });
  // Both enums are google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (result.ok() || !details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.type_url() != kErrorInfo && detail.type_url() != kRetryInfo) continue;
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  // Says no more than the code.
  if (ReasonOf(result) == absl::StatusCodeToString(result.code())) result.ErasePayload(kErrorInfo);
  return result;
}

}  // namespace rondo
