// Models and data of S3 on a disk that coordinator and workers share, below <root>:
//   <content>/          what is whole; the name is a hash of what is in it, and where it came from
//   <content>.partial/  what is being fetched, or was when a process ended; gone on with next time
//   <content>.lock      held by who fetches, of all processes that use the folder
// Immutable, so thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/s3/s3_client.h"
#include "server/core/sources.h"

namespace rondo {

// The objects of a source, as they are now.
struct SourceListing {
  RemoteSource source;
  std::vector<S3Object> objects;  // by key
  std::string content;            // 32 hex digits, of endpoint, keys, sizes and ETags

  int64_t bytes() const;
  // Below the folder of the content.
  std::string FileName(const S3Object& object) const;
  // Of the source, when its content is in `folder`.
  std::string PathIn(const std::string& folder) const;
};

// Bytes of a source that are here, of how many.
using FetchProgress = std::function<void(int64_t done, int64_t total)>;

class SourceCache {
 public:
  SourceCache(S3Options s3, std::string root) : s3_(std::move(s3)), root_(std::move(root)) {}

  const S3Options& s3() const { return s3_; }
  const std::string& root() const { return root_; }
  std::string Folder(const SourceListing& listing) const;

  // NOT_FOUND, INVALID_ARGUMENT: there is no such object, or no model.
  absl::StatusOr<SourceListing> List(S3Client* client, const RemoteSource& source) const;

  // Brings a source here, unless it is. `bound`: what an earlier generation of the job read, or
  // empty; FAILED_PRECONDITION when that is gone and the source is no longer the same.
  absl::StatusOr<SourceFetched> Fetch(const RemoteSource& source, const SourceFetched& bound,
                                      const FetchProgress& progress,
                                      const StopRequested& stop) const;

 private:
  absl::Status Download(S3Client* client, const SourceListing& listing,
                        const FetchProgress& progress) const;

  const S3Options s3_;
  const std::string root_;
};

}  // namespace rondo
