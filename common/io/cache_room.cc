#include "common/io/cache_room.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/io/disk.h"
#include "common/io/file.h"
#include "common/io/posix.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kAbandoned(24);

struct CacheFile {
  std::string path;
  int64_t bytes = 0;
  fs::file_time_type used;
};

// Those that were not used for the longest time first.
std::vector<CacheFile> FilesOf(const std::string& dir, const std::string& prefix) {
  std::vector<CacheFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    std::error_code gone;
    const auto bytes = entry.file_size(gone);
    const auto used = entry.last_write_time(gone);
    if (!gone) files.push_back({entry.path().string(), static_cast<int64_t>(bytes), used});
  }
  std::sort(files.begin(), files.end(),
            [](const CacheFile& a, const CacheFile& b) { return a.used < b.used; });
  return files;
}

}  // namespace

absl::Status MakeCacheRoom(const std::string& dir, const std::string& prefix, int64_t bytes,
                           int64_t quota_bytes) {
  if (quota_bytes > 0 && bytes > quota_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("a file of ", bytes, " bytes in ", dir,
                                                     " is larger than its quota, ", quota_bytes,
                                                     " bytes (--cache-quota)"));
  }
  const std::vector<CacheFile> files = FilesOf(dir, prefix);
  const auto abandoned = fs::file_time_type::clock::now() - kAbandoned;
  int64_t total = bytes;
  for (const CacheFile& file : files) total += file.bytes;
  ASSIGN_OR_RETURN(int64_t free, FreeBytes(dir));
  for (const CacheFile& file : files) {
    const bool partial = file.path.ends_with(kPartialSuffix);
    const bool fits = bytes <= free && (quota_bytes == 0 || total <= quota_bytes);
    if (partial ? file.used > abandoned : fits) continue;
    RETURN_IF_ERROR(RemoveFile(file.path));
    LogInfo("cache", absl::StrCat("removed ", file.path, " (", file.bytes, " bytes)"));
    total -= file.bytes;
    free += file.bytes;
  }
  return absl::OkStatus();
}

void MarkUsed(const std::string& path) {
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
}

}  // namespace rondo
