// A TCP link to a server that can be cut in one or both directions, slowed down and reset.
//
// A cut loses nothing, as with real TCP: what is sent into it, the end of a connection too, waits
// and comes through once the link has healed, even if its sender has long gone. Connections can be
// made during a cut; nothing gets through them either.
#pragma once

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "worker/runtime/frame.h"

namespace rondo {

enum class Cut { kNone, kToServer, kToClient, kBoth };

class FaultProxy {
 public:
  explicit FaultProxy(const std::string& server);  // 127.0.0.1:PORT
  ~FaultProxy();
  const std::string& address() const { return address_; }

  void CutLink(Cut cut);
  void Heal() { CutLink(Cut::kNone); }
  void Delay(absl::Duration delay);  // of what is read from now on, each way
  void Reset();                      // all connections, as a router does that has forgotten them

  // So far: what was sent into a cut or delayed, at least; connections made and reset.
  int64_t bytes_held_up() const { return bytes_held_up_; }
  int connections() const { return connections_; }
  int resets() const { return resets_; }

 private:
  struct Flow {
    int from = -1;
    int to = -1;
    std::string held;     // read, not passed on yet
    absl::Time due;       // when it may be
    bool ended = false;   // nothing more comes
    bool closed = false;  // `to` knows
  };
  struct Connection {
    UniqueFd client;
    UniqueFd server;
    Flow to_server;
    Flow to_client;
  };
  struct Faults {
    Cut cut = Cut::kNone;
    absl::Duration delay;
    bool reset = false;
    bool stop = false;
  };

  void Run();
  void Accept();
  void ResetAll();
  // As far as it goes without waiting.
  void Advance(Flow* flow, bool cut, absl::Duration delay);

  const int server_port_;
  std::string address_;
  UniqueFd listener_;
  std::list<Connection> open_;  // belongs to the thread
  std::atomic<int64_t> bytes_held_up_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<int> resets_ = 0;
  Mutex mu_;
  Faults faults_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses the others
};

}  // namespace rondo
