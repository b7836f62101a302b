// Files: whole reads, mapped reads, writes that are complete or absent. Thread-safe functions;
// errors name the path. NOT_FOUND for a missing file, RESOURCE_EXHAUSTED for a full disk,
// INTERNAL for other I/O errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

// The whole file; refuses one larger than `max_bytes` before allocating (INVALID_ARGUMENT).
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = 256 << 20);

// Written aside in the same folder, fsynced, renamed, folder fsynced.
absl::Status WriteFileAtomically(const std::string& path, const std::string& contents);

// The same for the contents of another file.
absl::Status CopyFileAtomically(const std::string& from, const std::string& to);

// fsync of a folder, after which renames in it are durable.
absl::Status SyncDir(const std::string& dir);

absl::StatusOr<int64_t> FileSize(const std::string& path);
bool FileExists(const std::string& path);
bool IsDirectory(const std::string& path);
// OK when there is no such file.
absl::Status RemoveFile(const std::string& path);
// Names (not paths) of the regular files directly in `dir`, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& dir);
// mkdir -p
absl::Status MakeDirs(const std::string& dir);
std::string JoinPath(const std::string& dir, const std::string& name);

// The bound on a name that comes from outside: one segment of [A-Za-z0-9._-], 1 to 255 bytes, not
// "." or "..". INVALID_ARGUMENT names `what` and the value otherwise.
absl::Status ValidateFileName(const std::string& what, const std::string& name);

// A read-only mapping of a whole file. Immutable, so thread-safe; pages are read on first use.
class MappedFile {
 public:
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // Tells the kernel that the range will not be used again soon.
  void DropPages(int64_t offset, int64_t bytes) const;

 private:
  MappedFile(std::string path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace rondo
