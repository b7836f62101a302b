// Calls that go astray, for tests: every call of a channel may lose its request or its response, be
// delayed or be sent twice. Part of a build with RONDO_FAILPOINTS only.
#pragma once

#include <memory>
#include <string>

namespace grpc {
class Channel;
class ChannelArguments;
class ChannelCredentials;
}  // namespace grpc

namespace rondo {

// grpc::CreateCustomChannel, disturbed as the environment says:
//   RONDO_RPC_CHAOS  "seed=7,request=0.1,response=0.1,delay=0.1,duplicate=0.1": how often each
//                    happens; what is left out never does
// Every call is a line of the log with the seed and what befell it. Unset: nothing is disturbed.
std::shared_ptr<grpc::Channel> DisturbedChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const grpc::ChannelArguments& arguments);

}  // namespace rondo
