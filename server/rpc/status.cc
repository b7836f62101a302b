#include "server/rpc/status.h"

#include <algorithm>
#include <string>

namespace rondo {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // gRPC drops a call whose trailers exceed 8 KiB; percent-encoding may triple the message.
  constexpr size_t kLongest = 2000;
  std::string message(status.message().substr(0, kLongest));
  std::replace(message.begin(), message.end(), '\n', ' ');
  // Both enums are google.rpc.Code.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message);
}

}  // namespace rondo
