#include "tests/faults/fault_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace rondo {
namespace {

constexpr int kRoundMs = 5;  // how soon a fault is noticed
constexpr size_t kChunk = 65'536;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

UniqueFd Socket() { return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool Cuts(Cut cut, Cut direction) { return cut == Cut::kBoth || cut == direction; }

}  // namespace

FaultProxy::FaultProxy(const std::string& server)
    : server_port_(std::atoi(server.c_str() + server.rfind(':') + 1)), listener_(Socket()) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(listener_.get(), raw, size), 0);
  EXPECT_EQ(listen(listener_.get(), SOMAXCONN), 0);
  EXPECT_EQ(getsockname(listener_.get(), raw, &size), 0);
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

FaultProxy::~FaultProxy() {
  {
    MutexLock lock(&mu_);
    faults_.stop = true;
  }
  thread_.join();
}

void FaultProxy::CutLink(Cut cut) {
  MutexLock lock(&mu_);
  faults_.cut = cut;
}

void FaultProxy::Delay(absl::Duration delay) {
  MutexLock lock(&mu_);
  faults_.delay = delay;
}

void FaultProxy::Reset() {
  MutexLock lock(&mu_);
  faults_.reset = true;
}

void FaultProxy::Run() {
  while (true) {
    Faults faults;
    {
      MutexLock lock(&mu_);
      faults = faults_;
      faults_.reset = false;
    }
    if (faults.stop) return;
    if (faults.reset) ResetAll();
    std::vector<pollfd> waits = {{listener_.get(), POLLIN, 0}};
    for (Connection& connection : open_) {
      Advance(&connection.to_server, Cuts(faults.cut, Cut::kToServer), faults.delay);
      Advance(&connection.to_client, Cuts(faults.cut, Cut::kToClient), faults.delay);
      for (const Flow* flow : {&connection.to_server, &connection.to_client}) {
        if (flow->held.empty() && !flow->ended) waits.push_back({flow->from, POLLIN, 0});
      }
    }
    open_.remove_if([](const Connection& connection) {
      return connection.to_server.closed && connection.to_client.closed;
    });
    poll(waits.data(), waits.size(), kRoundMs);
    if (waits[0].revents != 0) Accept();
  }
}

void FaultProxy::Accept() {
  Connection connection;
  connection.client = UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  connection.server = Socket();
  const sockaddr_in address = Loopback(server_port_);
  // Refused, as by the server itself, when nobody listens there.
  if (connect(connection.server.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    return;
  }
  connection.to_server.from = connection.to_client.to = connection.client.get();
  connection.to_client.from = connection.to_server.to = connection.server.get();
  open_.push_back(std::move(connection));
  ++connections_;
}

void FaultProxy::ResetAll() {
  for (const Connection& connection : open_) {
    const linger at_once{1, 0};  // closing sends RST
    for (const int fd : {connection.client.get(), connection.server.get()}) {
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    ++resets_;
  }
  open_.clear();
}

void FaultProxy::Advance(Flow* flow, bool cut, absl::Duration delay) {
  if (flow->held.empty() && !flow->ended) {
    std::array<char, kChunk> chunk;
    const ssize_t size = recv(flow->from, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (size > 0) {
      flow->held.assign(chunk.data(), size);
      flow->due = absl::Now() + delay;
      if (cut || delay > absl::ZeroDuration()) bytes_held_up_ += size;
    }
    flow->ended = size == 0 || (size < 0 && errno != EAGAIN);
  }
  if (cut || absl::Now() < flow->due) return;
  if (!flow->held.empty()) {
    const ssize_t size =
        send(flow->to, flow->held.data(), flow->held.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) flow->held.erase(0, size);
    if (size < 0 && errno != EAGAIN) {
      flow->held.clear();
      flow->ended = true;
    }
  }
  if (!flow->ended || !flow->held.empty() || flow->closed) return;
  shutdown(flow->to, SHUT_WR);
  flow->closed = true;
}

}  // namespace rondo
