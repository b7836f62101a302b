// Counts the calls of our services by method, and by code once they are answered. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <map>
#include <string>
#include <string_view>

#include "common/metrics/metrics.h"

namespace rondo {

// Calls of other methods, whose names are a client's to choose, are not counted.
class CallCounter final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallCounter(Metrics* metrics);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  class Call;
  struct Method {
    Counter* started;
    std::map<int, Counter*> handled;  // by code
  };
  std::map<std::string, Method, std::less<>> methods_;  // "rondo.v1.JobService/SubmitJob"
};

}  // namespace rondo
