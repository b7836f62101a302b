#include "server/core/download_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/io/disk.h"
#include "common/io/file.h"
#include "common/io/file_lock.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

constexpr char kLockSuffix[] = ".lock";
constexpr char kTurn[] = "room.lock";
constexpr absl::Duration kHoldCheck = absl::Milliseconds(100);
constexpr size_t kContentDigits = 32;

std::string ShortBytes(int64_t bytes) {
  if (bytes < 1'000'000) return absl::StrCat(bytes, " bytes");
  if (bytes < 1'000'000'000) return absl::StrFormat("%.1f MB", static_cast<double>(bytes) / 1e6);
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9);
}

// Of the regular files right in it; 0: there is no such folder.
int64_t BytesIn(const std::string& folder) {
  int64_t total = 0;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    const auto bytes = file.file_size(error);
    if (!error) total += static_cast<int64_t>(bytes);
  }
  return total;
}

// Every content that has a folder or a lock.
std::set<std::string> ContentsIn(const std::string& root) {
  std::set<std::string> contents;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const std::string name = entry.path().filename().string();
    const std::string content = name.substr(0, kContentDigits);
    const std::string suffix = name.substr(content.size());
    const bool ours = content.find_first_not_of("0123456789abcdef") == std::string::npos &&
                      content.size() == kContentDigits &&
                      (suffix.empty() || suffix == kPartialSuffix || suffix == kLockSuffix);
    if (ours) contents.insert(content);
  }
  return contents;
}

int64_t BytesSaidIn(const std::string& lock) {
  int64_t bytes = 0;
  const auto said = ReadFile(lock, 32);
  return said.ok() && absl::SimpleAtoi(*said, &bytes) ? bytes : 0;
}

}  // namespace

// A content of others.
struct DownloadFolder::Entry {
  std::string content;
  int64_t here = 0;     // bytes on the disk
  int64_t most = 0;     // when it is whole
  FileDescriptor idle;  // held alone: nobody uses it
  bool whole = false;
  fs::file_time_type used;

  bool busy() const { return idle.get() < 0; }
};

std::string DownloadFolder::Whole(const std::string& content) const {
  return JoinPath(root_, content);
}
std::string DownloadFolder::Partial(const std::string& content) const {
  return Whole(content) + kPartialSuffix;
}
std::string DownloadFolder::LockPath(const std::string& content) const {
  return Whole(content) + kLockSuffix;
}

absl::StatusOr<int64_t> DownloadFolder::MostBytes() const {
  ASSIGN_OR_RETURN(int64_t most, FreeBytes(root_));
  for (const std::string& content : ContentsIn(root_)) {
    most += BytesIn(Whole(content)) + BytesIn(Partial(content));
  }
  return quota_bytes_ > 0 ? std::min(most, quota_bytes_) : most;
}

absl::Status DownloadFolder::CheckFits(const std::string& what,
                                       const std::vector<Download>& downloads) const {
  int64_t bytes = 0;
  for (const Download& download : downloads) bytes += download.bytes;
  ASSIGN_OR_RETURN(const int64_t most, MostBytes());
  if (bytes <= most) return absl::OkStatus();
  const std::string room =
      quota_bytes_ > 0 && most == quota_bytes_
          ? absl::StrCat("the quota of downloads is ", ShortBytes(most), " (--download-quota)")
          : absl::StrCat(root_, " has room for ", ShortBytes(most), " without other downloads");
  return absl::ResourceExhaustedError(absl::StrCat(what, " needs ", ShortBytes(bytes), "; ", room));
}

absl::StatusOr<std::vector<DownloadFolder::Entry>> DownloadFolder::Others(
    const std::vector<Download>& downloads) const {
  std::vector<Entry> others;
  for (const std::string& content : ContentsIn(root_)) {
    if (std::any_of(downloads.begin(), downloads.end(),
                    [&](const Download& own) { return own.content == content; })) {
      continue;
    }
    Entry entry;
    entry.content = content;
    ASSIGN_OR_RETURN(entry.idle, TryLockFile(LockPath(content), FileLock::kExclusive));
    entry.whole = IsDirectory(Whole(content));
    entry.here = BytesIn(Whole(content)) + BytesIn(Partial(content));
    entry.most = entry.busy() ? std::max(entry.here, BytesSaidIn(LockPath(content))) : entry.here;
    std::error_code none;  // then it is the first to go
    entry.used = fs::last_write_time(entry.whole ? Whole(content) : Partial(content), none);
    others.push_back(std::move(entry));
  }
  std::sort(others.begin(), others.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.whole, a.used) < std::tie(b.whole, b.used);
  });
  return others;
}

// What has its name is whole, so the name goes first.
absl::Status DownloadFolder::Remove(const Entry& entry) const {
  const std::string partial = Partial(entry.content);
  std::error_code error;
  if (entry.whole) {
    fs::remove_all(partial, error);
    if (!error) fs::rename(Whole(entry.content), partial, error);
  }
  if (!error) fs::remove_all(partial, error);
  if (error) {
    return absl::InternalError(absl::StrCat("cannot remove ", partial, ": ", error.message()));
  }
  LogInfo("downloads", absl::StrCat("removed ", Whole(entry.content), " (", ShortBytes(entry.here),
                                    ") to make room"));
  return RemoveFile(LockPath(entry.content));
}

absl::StatusOr<int64_t> DownloadFolder::BytesTooMany(const std::vector<Download>& downloads,
                                                     const std::vector<Entry>& others) const {
  ASSIGN_OR_RETURN(int64_t free, FreeBytes(root_));
  int64_t used = 0;
  for (const Download& download : downloads) {
    const std::string& content = download.content;
    const int64_t here = BytesIn(Whole(content)) + BytesIn(Partial(content));
    free -= std::max<int64_t>(download.bytes - here, 0);
    used += download.bytes;
  }
  for (const Entry& entry : others) {
    free -= entry.most - entry.here;  // somebody is about to write it
    used += entry.most;
  }
  return std::max(-free, quota_bytes_ > 0 ? used - quota_bytes_ : 0);
}

absl::StatusOr<DownloadRoom> DownloadFolder::MakeRoom(const std::string& what,
                                                      const std::vector<Download>& downloads,
                                                      const StopRequested& stop) const {
  RETURN_IF_ERROR(MakeDirs(root_));
  const std::string turn_path = JoinPath(root_, kTurn);
  ASSIGN_OR_RETURN(const FileDescriptor turn, LockFile(turn_path, FileLock::kExclusive, stop));
  RETURN_IF_ERROR(CheckFits(what, downloads));
  ASSIGN_OR_RETURN(const std::vector<Entry> others, Others(downloads));
  ASSIGN_OR_RETURN(int64_t too_many, BytesTooMany(downloads, others));
  int64_t idle = 0, busy = 0;
  for (const Entry& entry : others) (entry.busy() ? busy : idle) += entry.most;
  if (too_many > idle) {
    return DownloadRoom{{},
                        absl::StrCat(what, " has no room in ", root_, " beside the ",
                                     ShortBytes(busy), " that other jobs use")};
  }
  for (const Entry& entry : others) {
    if (too_many <= 0) break;
    if (entry.busy()) continue;
    RETURN_IF_ERROR(Remove(entry));
    too_many -= entry.here;
  }
  DownloadRoom room;
  for (const Download& download : downloads) {
    ASSIGN_OR_RETURN(FileDescriptor hold, TryHold(download.content));
    if (hold.get() < 0) continue;  // somebody else fetches it
    const std::string said = absl::StrCat(download.bytes, "\n");
    RETURN_IF_ERROR(
        WriteFullyAt(hold.get(), 0, std::as_bytes(std::span(said)), LockPath(download.content)));
    room.holds[download.content] = std::move(hold);
  }
  return room;
}

absl::StatusOr<FileDescriptor> DownloadFolder::HoldWhole(const std::string& content) const {
  if (!IsDirectory(Whole(content))) return FileDescriptor();
  ASSIGN_OR_RETURN(FileDescriptor hold, TryLockFile(LockPath(content), FileLock::kShared));
  // It may have gone just before.
  return IsDirectory(Whole(content)) ? std::move(hold) : FileDescriptor();
}

absl::StatusOr<FileDescriptor> DownloadFolder::TryHold(const std::string& content) const {
  if (IsDirectory(Whole(content))) return HoldWhole(content);
  ASSIGN_OR_RETURN(FileDescriptor hold, TryLockFile(LockPath(content), FileLock::kExclusive));
  // It may have become whole just before; then it is not to be held alone.
  return IsDirectory(Whole(content)) ? FileDescriptor() : std::move(hold);
}

absl::StatusOr<FileDescriptor> DownloadFolder::Hold(const std::string& content,
                                                    const StopRequested& stop) const {
  while (true) {
    ASSIGN_OR_RETURN(FileDescriptor hold, TryHold(content));
    if (hold.get() >= 0) return hold;
    if (stop()) return absl::CancelledError("the download was stopped");
    absl::SleepFor(kHoldCheck);
  }
}

absl::Status DownloadFolder::Complete(const std::string& content, const FileDescriptor& hold,
                                      const StopRequested& stop) const {
  // A lock that becomes a shared one is free for an instant; nobody may remove the content then.
  const std::string turn_path = JoinPath(root_, kTurn);
  ASSIGN_OR_RETURN(const FileDescriptor turn, LockFile(turn_path, FileLock::kExclusive, stop));
  const std::string partial = Partial(content), whole = Whole(content);
  RETURN_IF_ERROR(SyncDir(partial));
  if (std::rename(partial.c_str(), whole.c_str()) != 0) {
    return ErrnoStatus(absl::StrCat("rename ", partial, " to"), whole, errno);
  }
  RETURN_IF_ERROR(SyncDir(root_));
  return ShareLock(hold, LockPath(content));
}

void DownloadFolder::Touch(const std::string& content) const {
  std::error_code ignored;
  fs::last_write_time(Whole(content), fs::file_time_type::clock::now(), ignored);
}

}  // namespace rondo
