#include "server/http/health_pages.h"

#include <httplib.h>
#include <sys/socket.h>

#include <thread>
#include <utility>

#include "absl/strings/numbers.h"

namespace rondo {
namespace {

constexpr int kThreads = 2;
constexpr int kTimeoutSeconds = 5;
constexpr size_t kLargestBody = 1024;  // that a client may send

httplib::Server::Handler Page(std::function<absl::Status()> check) {
  return [check = std::move(check)](const httplib::Request&, httplib::Response& response) {
    const absl::Status status = check();
    response.status = status.ok() ? 200 : 503;
    response.set_content(status.ok() ? "ok\n" : absl::StrCat(status.message(), "\n"), "text/plain");
  };
}

}  // namespace

struct HealthPages::Impl {
  httplib::Server server;
  std::string host;
  int port = -1;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<HealthPages>> HealthPages::Start(const std::string& address,
                                                                Contents contents) {
  auto impl = std::make_unique<Impl>();
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the address for health is \"", address, "\"; it must be host:port"));
  }
  impl->host = address.substr(0, colon);
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.set_keep_alive_max_count(1);  // no probe holds a thread
  server.set_payload_max_length(kLargestBody);
  // Without SO_REUSEPORT, which lets two programs listen on one port.
  server.set_socket_options([](int fd) {
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.Get("/healthz", Page(std::move(contents.alive)));
  server.Get("/readyz", Page(std::move(contents.ready)));
  server.Get("/metrics", [metrics = std::move(contents.metrics)](const httplib::Request&,
                                                                 httplib::Response& response) {
    response.set_content(metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
  if (port == 0) {
    impl->port = server.bind_to_any_port(impl->host);
  } else if (server.bind_to_port(impl->host, port)) {
    impl->port = port;
  }
  if (impl->port < 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address,
                                               " for health; is another program using the port?"));
  }
  impl->thread = std::thread([&server] { server.listen_after_bind(); });
  // stop() does nothing to a server that does not run yet.
  while (!server.is_running()) std::this_thread::yield();
  return std::unique_ptr<HealthPages>(new HealthPages(std::move(impl)));
}

HealthPages::HealthPages(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HealthPages::~HealthPages() {
  impl_->server.stop();
  impl_->thread.join();
}

std::string HealthPages::address() const { return absl::StrCat(impl_->host, ":", impl_->port); }

}  // namespace rondo
