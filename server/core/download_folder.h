// The folder of what was fetched from S3, on a disk that coordinator and workers share. Below
// <root>:
//   <content>/          what is whole; the name is a hash of what is in it, and where it came from
//   <content>.partial/  what is being fetched, or was when that ended; gone on with next time
//   <content>.lock      held alone by who fetches, shared by who reads, of all processes that use
//                       the folder; in it, the bytes of the content when it is whole
//   room.lock           held by who makes room
// What nobody holds goes when another download needs the room: first what is not whole, then what
// was not used for the longest time. Immutable, so thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/io/posix.h"
#include "common/s3/s3_client.h"

namespace rondo {

// Something that is in the folder, or is to be.
struct Download {
  std::string content;
  int64_t bytes = 0;
};

// Room for all downloads of a job.
struct DownloadRoom {
  // Of what is whole, shared; of what is missing, alone. What somebody else fetches is not in it.
  std::map<std::string, FileDescriptor> holds;
  // Not empty: why there is no room until others need theirs no more. Then nothing is held.
  std::string wait_for;
};

class DownloadFolder {
 public:
  // `quota_bytes`: of all downloads together; 0: as many as the disk has room for.
  DownloadFolder(std::string root, int64_t quota_bytes)
      : root_(std::move(root)), quota_bytes_(quota_bytes) {}

  const std::string& root() const { return root_; }
  std::string Whole(const std::string& content) const;
  std::string Partial(const std::string& content) const;

  // RESOURCE_EXHAUSTED when there would be no room even if nothing else were here. `what` begins
  // the sentence.
  absl::Status CheckFits(const std::string& what, const std::vector<Download>& downloads) const;

  // Room for all of them, or for none; removes what is in the way. Errors: as of CheckFits, and
  // CANCELLED.
  absl::StatusOr<DownloadRoom> MakeRoom(const std::string& what,
                                        const std::vector<Download>& downloads,
                                        const StopRequested& stop) const;

  // Waits until it is whole, and holds it shared, or nobody fetches it, and holds it alone.
  absl::StatusOr<FileDescriptor> Hold(const std::string& content, const StopRequested& stop) const;
  // What is whole stays so as long as the descriptor lives; -1: it is not, or not now.
  absl::StatusOr<FileDescriptor> HoldWhole(const std::string& content) const;
  // Of what is held alone, and complete: gives it its name, and holds it shared.
  absl::Status Complete(const std::string& content, const FileDescriptor& hold,
                        const StopRequested& stop) const;
  // Its time is that of its last use.
  void Touch(const std::string& content) const;

 private:
  struct Entry;
  std::string LockPath(const std::string& content) const;
  absl::StatusOr<std::vector<Entry>> Others(const std::vector<Download>& downloads) const;
  // What all downloads together could take.
  absl::StatusOr<int64_t> MostBytes() const;
  // To be removed before the downloads find room.
  absl::StatusOr<int64_t> BytesTooMany(const std::vector<Download>& downloads,
                                       const std::vector<Entry>& others) const;
  // Hold() without waiting; -1: not now.
  absl::StatusOr<FileDescriptor> TryHold(const std::string& content) const;
  absl::Status Remove(const Entry& entry) const;

  const std::string root_;
  const int64_t quota_bytes_;
};

}  // namespace rondo
