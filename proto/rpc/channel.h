// Channels to a server, with the keepalive that its limits expect. Thread-safe functions.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>

#include "common/base/status.h"
#include "proto/rpc/connection.h"

namespace rondo {

// Both sides refuse longer messages before they hold them.
inline constexpr int kMaxMessageBytes = 4 << 20;

// Connects on the first call. `arguments` are added to those that every channel has. What
// CheckConnection refuses is refused here.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ConnectionOptions& options,
                                                           grpc::ChannelArguments arguments);

}  // namespace rondo
