#include "server/rpc/call_counter.h"

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "server/security/roles.h"

namespace rondo {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

class CallCounter::Call final : public grpc::experimental::Interceptor {
 public:
  explicit Call(const Method* method) : method_(method) { method_->started->Increment(); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      method_->handled.at(methods->GetSendStatus().error_code())->Increment();
    }
    methods->Proceed();
  }

 private:
  const Method* const method_;
};

CallCounter::CallCounter(Metrics* metrics) {
  for (const RpcRule& rule : RpcRules()) {
    const std::string name = rule.method;
    const size_t slash = name.find('/');
    MetricLabels labels = {{"grpc_service", name.substr(0, slash)},
                           {"grpc_method", name.substr(slash + 1)}};
    Method& method = methods_[name];
    method.started = &metrics->AddCounter("grpc_server_started_total",
                                          "Calls that a handler was given.", labels);
    for (int code = grpc::OK; code <= grpc::UNAUTHENTICATED; ++code) {
      labels["grpc_code"] = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
      method.handled[code] =
          &metrics->AddCounter("grpc_server_handled_total",
                               "Calls that were answered, or whose client had gone.", labels);
    }
  }
}

grpc::experimental::Interceptor* CallCounter::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  std::string_view name = info->method();
  if (name.starts_with('/')) name.remove_prefix(1);
  const auto method = methods_.find(name);
  return method == methods_.end() ? nullptr : new Call(&method->second);
}

}  // namespace rondo
