#include "worker/comm/dead_links.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace rondo {
namespace {

constexpr int kProbes = 3;

int Option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool IsTcpConnection(int fd) {
  return Option(fd, SO_PROTOCOL) == IPPROTO_TCP && Option(fd, SO_ACCEPTCONN) == 0;
}

bool Set(int fd, int level, int name, int64_t value) {
  const int number = static_cast<int>(value);
  return setsockopt(fd, level, name, &number, sizeof(number)) == 0;
}

// The user timeout is for what was sent and not acknowledged, probes are for silence.
bool EndWhenSilent(int fd, absl::Duration silence) {
  const int64_t between = std::max<int64_t>(1, absl::ToInt64Seconds(silence) / (kProbes + 1));
  return Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, absl::ToInt64Milliseconds(silence)) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, between) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, between) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes) && Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace

absl::Status EndDeadLinksAfter(absl::Duration silence) {
  std::error_code error;
  for (std::filesystem::directory_iterator fds("/proc/self/fd", error), end; !error && fds != end;
       fds.increment(error)) {
    const int fd = std::atoi(fds->path().filename().c_str());
    if (!IsTcpConnection(fd) || EndWhenSilent(fd, silence)) continue;
    // Another thread may have closed it just now.
    if (errno != EBADF && errno != ENOTSOCK) {
      return absl::ErrnoToStatus(errno, "cannot set the timeouts of a link between ranks");
    }
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError("cannot list /proc/self/fd: " + error.message());
}

}  // namespace rondo
