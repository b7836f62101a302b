// absl::Status over gRPC: the code, a one-line message, and google.rpc.ErrorInfo and RetryInfo for
// programs, in the trailer "grpc-status-details-bin". Thread-safe functions.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/time/time.h"
#include "common/base/status.h"

namespace rondo {

inline constexpr char kErrorDomain[] = "rondo";

// `reason` tells errors of one code apart: UPPER_SNAKE_CASE, at most 63 bytes. Without one it is
// the name of the code.
absl::Status WithReason(absl::Status status, const std::string& reason);
std::string ReasonOf(const absl::Status& status);
// When the call is worth another try.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The message is cut to what a trailer can hold.
grpc::Status ToGrpc(const absl::Status& status);
// Keeps the reason, where it says more than the code, and the retry delay.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace rondo
