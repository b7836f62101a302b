// Length-prefixed frames over a connected stream socket: four bytes little-endian length, then so
// many bytes, at most kMaxFrameBytes. Send and Receive may run at the same time; each of the two
// is for one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/base/status.h"

namespace rondo {

inline constexpr int64_t kMaxFrameBytes = 4 << 20;

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  void Reset();  // closes

 private:
  int fd_ = -1;
};

// Both ends of a new stream socket pair, closed on exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSocketPair();

// INVALID_ARGUMENT for a payload that is too long, UNAVAILABLE when the peer has closed.
absl::Status SendFrame(int fd, const std::string& payload);

// Blocks. No value: the peer closed between two frames. UNAVAILABLE when it closed within one,
// INVALID_ARGUMENT for a length above the limit (nothing is allocated for it).
absl::StatusOr<std::optional<std::string>> ReceiveFrame(int fd);

}  // namespace rondo
