// What the file functions share: errno as a Status, a descriptor that closes itself, complete
// writes. Thread-safe functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "common/base/status.h"

namespace rondo {

// "<action> <path>: <what errno says>". NOT_FOUND for a missing path, RESOURCE_EXHAUSTED for a full
// disk or quota, INTERNAL otherwise.
absl::Status ErrnoStatus(const std::string& action, const std::string& path, int error);

// Owns a file descriptor; -1: none.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

absl::StatusOr<FileDescriptor> OpenFd(const std::string& path, int flags);

// Writes all of `data` at `offset`. `path` is for messages.
absl::Status WriteFullyAt(int fd, int64_t offset, std::span<const std::byte> data,
                          const std::string& path);

// fsyncs `fd` (the file at `from`), renames `from` to `to` in the same folder, fsyncs the folder.
absl::Status PublishFile(int fd, const std::string& from, const std::string& to);

// A name for data that are to become `path`: aside in the same folder, different on every call, so
// that two writers never share one. Ends with kPartialSuffix.
inline constexpr char kPartialSuffix[] = ".partial";
std::string PartialPath(const std::string& path);

}  // namespace rondo
