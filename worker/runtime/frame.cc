#include "worker/runtime/frame.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace rondo {
namespace {

absl::Status SocketError(const char* what, int error) {
  const std::string message = absl::StrCat(what, " on the rank channel: ", std::strerror(error));
  if (error == EPIPE || error == ECONNRESET) return absl::UnavailableError(message);
  return absl::InternalError(message);
}

// Fills `size` bytes, or fewer when the peer closes; answers how many.
absl::StatusOr<size_t> ReadFully(int fd, char* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = recv(fd, data + done, size - done, 0);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == ECONNRESET) break;  // the peer died with unread bytes of ours
      return SocketError("cannot receive", errno);
    }
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return SocketError("cannot make a socket pair", errno);
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::Status SendFrame(int fd, const std::string& payload) {
  const size_t size = payload.size();
  if (size > static_cast<size_t>(kMaxFrameBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("a message of ", size,
                                                   " bytes is too long for the rank channel, at "
                                                   "most ",
                                                   kMaxFrameBytes));
  }
  std::string frame(4, '\0');
  for (int i = 0; i < 4; ++i) frame[i] = static_cast<char>((size >> (8 * i)) & 0xff);
  frame += payload;
  for (size_t done = 0; done < frame.size();) {
    const ssize_t n = send(fd, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SocketError("cannot send", errno);
    }
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> ReceiveFrame(int fd) {
  std::array<char, 4> prefix;
  ASSIGN_OR_RETURN(const size_t got, ReadFully(fd, prefix.data(), prefix.size()));
  if (got == 0) return std::nullopt;
  if (got < prefix.size()) {
    return absl::UnavailableError("the rank channel closed within the length of a message");
  }
  int64_t size = 0;
  for (int i = 0; i < 4; ++i) size |= int64_t{static_cast<unsigned char>(prefix[i])} << (8 * i);
  if (size > kMaxFrameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the rank channel announces a message of ", size,
                                                   " bytes, at most ", kMaxFrameBytes));
  }
  std::string payload(size, '\0');
  ASSIGN_OR_RETURN(const size_t filled, ReadFully(fd, payload.data(), payload.size()));
  if (filled < payload.size()) {
    return absl::UnavailableError(absl::StrCat("the rank channel closed after ", filled, " of ",
                                               size, " bytes of a message"));
  }
  return payload;
}

}  // namespace rondo
