// Models and data of S3, and where they are on the disk once they were fetched
// (server/core/download_folder.h). Immutable, so thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/s3/s3_client.h"
#include "server/core/download_folder.h"
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

// A source of a job: what it is now, and what of it is here.
struct FoundSource {
  SourceListing listing;  // without objects: it is here, as an earlier generation has read it
  SourceFetched fetched;  // as it will be
  Download download;      // without content: it is not in the folder of downloads
};

class SourceCache {
 public:
  SourceCache(S3Options s3, DownloadFolder downloads)
      : s3_(std::move(s3)), downloads_(std::move(downloads)) {}

  const S3Options& s3() const { return s3_; }
  const DownloadFolder& downloads() const { return downloads_; }

  // NOT_FOUND, INVALID_ARGUMENT: there is no such object, or no model.
  absl::StatusOr<SourceListing> List(S3Client* client, const RemoteSource& source) const;

  // `bound`: what an earlier generation of the job read, or empty; FAILED_PRECONDITION when that is
  // gone and the source is no longer the same.
  absl::StatusOr<FoundSource> Find(S3Client* client, const RemoteSource& source,
                                   const SourceFetched& bound) const;

  // Brings a source here, unless it is. `hold`: of it, from DownloadFolder::MakeRoom, or none;
  // afterwards what keeps it here.
  absl::Status Fetch(S3Client* client, const FoundSource& found, const FetchProgress& progress,
                     const StopRequested& stop, FileDescriptor* hold) const;

  // The content of `fetched`; empty: it is not in the folder of downloads.
  std::string ContentOf(const RemoteSource& source, const SourceFetched& fetched) const;

 private:
  absl::Status Download(S3Client* client, const SourceListing& listing,
                        const FetchProgress& progress) const;

  const S3Options s3_;
  const DownloadFolder downloads_;
};

// What is to be in the folder of downloads for these, and their names.
std::vector<Download> DownloadsOf(const std::vector<FoundSource>& sources);
std::string NamesOf(const std::vector<FoundSource>& sources);

}  // namespace rondo
