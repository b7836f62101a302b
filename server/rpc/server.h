// The coordinator's gRPC server: the services of proto/rondo/v1, the standard health service and
// reflection. Who may call what: docs/security.md.
//
// Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/metrics/metrics.h"
#include "server/core/coordinator.h"
#include "server/rpc/security.h"

namespace rondo {

class Server {
 public:
  struct Options {
    std::string listen_address;          // "127.0.0.1:50051"; port 0: any that is free
    Coordinator* coordinator = nullptr;  // must outlive the server
    SecurityOptions security = {};       // plaintext, for this machine only
    // Gets what the server counts and what the coordinator holds; read while the server lives.
    std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>();
  };
  // UNAVAILABLE when the address cannot be listened on; INVALID_ARGUMENT for options that would let
  // everybody in.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options);
  ~Server();  // Shutdown without grace

  int port() const;
  std::string address() const;  // host:port that is listened on

  // Whether the process is worth keeping: the coordinator has moved within half a minute.
  absl::Status alive() const;
  // Whether it takes work: not while it drains, nor when its store has failed.
  absl::Status ready() const;

  // Health says NOT_SERVING, new jobs are refused, agents and watchers are let go, other calls have
  // `grace` to finish. Jobs that were running are taken up again by the next process on the store.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
