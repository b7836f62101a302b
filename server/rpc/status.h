// The one place where absl::Status becomes grpc::Status. Pure.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace rondo {

// The same code; the message on one line, short enough for a trailer.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace rondo
