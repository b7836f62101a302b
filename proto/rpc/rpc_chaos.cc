#include "proto/rpc/rpc_chaos.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/random.h"

namespace rondo {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;

constexpr std::chrono::milliseconds kLongestDelay(200);
constexpr int kLongestUndisturbed = 20;  // messages of a stream whose response is to be lost

grpc::Status Lost() { return {grpc::StatusCode::UNAVAILABLE, "lost by chaos"}; }

struct Rates {
  uint64_t seed = 0;
  double request = 0;
  double response = 0;
  double delay = 0;
  double duplicate = 0;
};

Rates Parse(const std::string& text) {
  std::map<std::string, std::string> values;
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(word, '=');
    values.insert(pair);
  }
  const auto rate = [&](const std::string& name) {
    return values.count(name) == 0 ? 0.0 : std::atof(values[name].c_str());
  };
  return {std::strtoull(values["seed"].c_str(), nullptr, 10), rate("request"), rate("response"),
          rate("delay"), rate("duplicate")};
}

// What befalls one call.
struct Mishaps {
  bool lose_request = false;
  bool lose_response = false;
  bool duplicate = false;
  int messages_left = 0;  // of a stream, before its response is lost
  std::chrono::milliseconds delay{0};
};

// Sends a unary request once more and waits for the answer, which nobody sees.
void SendAlone(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
               const grpc::ByteBuffer& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  grpc::CompletionQueue queue;
  grpc::ByteBuffer answer;
  grpc::Status status;
  const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
}

class ChaosInterceptor final : public Interceptor {
 public:
  ChaosInterceptor(ClientRpcInfo* info, const Mishaps& mishaps,
                   std::shared_ptr<grpc::Channel> undisturbed)
      : method_(info->method()),
        unary_(info->type() == ClientRpcInfo::Type::UNARY),
        context_(info->client_context()),
        mishaps_(mishaps),
        undisturbed_(std::move(undisturbed)) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    using Point = InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::PRE_SEND_INITIAL_METADATA)) {
      std::this_thread::sleep_for(mishaps_.delay);
      if (mishaps_.lose_request) {
        methods->Hijack();
        return;
      }
    }
    if (mishaps_.duplicate && methods->QueryInterceptionHookPoint(Point::PRE_SEND_MESSAGE)) {
      SendAlone(undisturbed_, method_, *methods->GetSerializedSendMessage());
    }
    if (mishaps_.lose_request) {
      if (methods->QueryInterceptionHookPoint(Point::PRE_RECV_MESSAGE)) {
        methods->FailHijackedRecvMessage();
      }
      if (methods->QueryInterceptionHookPoint(Point::PRE_RECV_STATUS)) {
        *methods->GetRecvStatus() = Lost();
      }
    }
    if (mishaps_.lose_response && !unary_ &&
        methods->QueryInterceptionHookPoint(Point::POST_RECV_MESSAGE) &&
        mishaps_.messages_left-- == 0) {
      context_->TryCancel();
    }
    if (mishaps_.lose_response && (unary_ || mishaps_.messages_left < 0) &&
        methods->QueryInterceptionHookPoint(Point::POST_RECV_STATUS)) {
      *methods->GetRecvStatus() = Lost();
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
  const bool unary_;
  grpc::ClientContext* const context_;
  Mishaps mishaps_;
  const std::shared_ptr<grpc::Channel> undisturbed_;
};

class ChaosFactory final : public ClientInterceptorFactoryInterface {
 public:
  ChaosFactory(const Rates& rates, std::shared_ptr<grpc::Channel> undisturbed)
      : rates_(rates), undisturbed_(std::move(undisturbed)), random_(rates.seed) {}

  Interceptor* CreateClientInterceptor(ClientRpcInfo* info) override {
    return new ChaosInterceptor(info, Draw(info), undisturbed_);
  }

 private:
  Mishaps Draw(ClientRpcInfo* info) {
    MutexLock lock(&mu_);
    Mishaps mishaps;
    const bool unary = info->type() == ClientRpcInfo::Type::UNARY;
    mishaps.lose_request = random_.Uniform() < rates_.request;
    mishaps.lose_response = random_.Uniform() < rates_.response;
    mishaps.duplicate = random_.Uniform() < rates_.duplicate && unary;
    if (random_.Uniform() < rates_.delay) {
      mishaps.delay = kLongestDelay * static_cast<int>(random_.Below(100)) / 100;
    }
    mishaps.messages_left = static_cast<int>(random_.Below(kLongestUndisturbed));
    const int64_t call = calls_++;
    LogInfo("chaos", absl::StrCat("seed ", rates_.seed, ", call ", call, " ", info->method(), ":",
                                  mishaps.lose_request ? " request lost" : "",
                                  mishaps.lose_response ? " response lost" : "",
                                  mishaps.duplicate ? " sent twice" : "", " delayed by ",
                                  mishaps.delay.count(), " ms"));
    return mishaps;
  }

  const Rates rates_;
  const std::shared_ptr<grpc::Channel> undisturbed_;
  Mutex mu_;
  SplitMix64 random_ ABSL_GUARDED_BY(mu_);
  int64_t calls_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace

std::shared_ptr<grpc::Channel> DisturbedChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const grpc::ChannelArguments& arguments) {
  auto undisturbed = grpc::CreateCustomChannel(address, credentials, arguments);
  const char* text = std::getenv("RONDO_RPC_CHAOS");
  if (text == nullptr) return undisturbed;
  std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<ChaosFactory>(Parse(text), undisturbed));
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, credentials, arguments,
                                                                 std::move(factories));
}

}  // namespace rondo
