#include "common/io/disk.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/io/posix.h"

namespace rondo {
namespace {

std::string Gibibytes(int64_t bytes) {
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / 1073741824.0);
}

}  // namespace

absl::StatusOr<int64_t> FreeBytes(const std::string& path) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(folder, error) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  struct statvfs disk = {};
  if (statvfs(folder.c_str(), &disk) != 0) {
    return ErrnoStatus("ask for the free space of", folder.string(), errno);
  }
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

absl::Status CheckRoom(const std::string& what, int64_t needed, const std::string& path,
                       int64_t free) {
  if (needed <= free) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(what, " will need about ", Gibibytes(needed),
                                                   ", but ", path, " has ", Gibibytes(free),
                                                   " free; make room or take another disk"));
}

}  // namespace rondo
