#include "server/core/source_preview.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/domain/validate.h"
#include "common/io/file.h"
#include "common/io/posix.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStart = 64 << 10;
constexpr int64_t kLongestJson = 256 << 20;
constexpr int64_t kLongestHeader = 100'000'000;  // of safetensors, as its reader has it
constexpr int64_t kMagic = 8;

// Goes with the object.
class TemporaryFolder {
 public:
  static absl::StatusOr<TemporaryFolder> Make() {
    std::error_code error;
    std::string path = (fs::temp_directory_path(error) / "rondo-preview-XXXXXX").string();
    if (error || mkdtemp(path.data()) == nullptr) {
      return ErrnoStatus("make folder", path, error ? error.value() : errno);
    }
    return TemporaryFolder(std::move(path));
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The header of a safetensors file, which says in its first 8 bytes how long it is.
absl::StatusOr<std::string> ReadHeader(S3Client* client, const S3Object& object) {
  ASSIGN_OR_RETURN(std::string start, client->ReadStart(object, kStart));
  uint64_t bytes = 0;
  for (size_t i = std::min<size_t>(start.size(), 8); i-- > 0;) {
    bytes = bytes << 8 | static_cast<unsigned char>(start[i]);
  }
  const bool more = bytes > static_cast<uint64_t>(kStart - 8) && bytes <= kLongestHeader;
  if (!more) return start;
  return client->ReadStart(object, 8 + static_cast<int64_t>(bytes));
}

// What CheckSpec reads of a file.
absl::StatusOr<std::string> ReadNeeded(S3Client* client, const SourceListing& listing,
                                       const S3Object& object) {
  const std::string name = listing.FileName(object);
  if (name.ends_with(".npy")) return client->ReadStart(object, kStart);
  if (!listing.source.folder) return std::string();
  if (name.ends_with(".safetensors")) return ReadHeader(client, object);
  if (name.ends_with(".bin")) return client->ReadStart(object, kMagic);
  if (name.ends_with(".json") && object.bytes <= kLongestJson) {
    return client->ReadStart(object, object.bytes);
  }
  return std::string();
}

// A file of the object's length, with a hole where nothing was fetched.
absl::Status WriteStandIn(const std::string& path, const std::string& start, int64_t bytes) {
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(path, O_WRONLY | O_CREAT | O_EXCL));
  RETURN_IF_ERROR(WriteFullyAt(fd.get(), 0, std::as_bytes(std::span(start)), path));
  if (ftruncate(fd.get(), bytes) != 0) return ErrnoStatus("lengthen", path, errno);
  return absl::OkStatus();
}

// The local path that stands for a source that is not here.
absl::StatusOr<std::string> Preview(S3Client* client, const SourceListing& listing,
                                    const TemporaryFolder& temporary) {
  const std::string folder = JoinPath(temporary.path(), listing.content);
  RETURN_IF_ERROR(MakeDirs(folder));
  for (const S3Object& object : listing.objects) {
    ASSIGN_OR_RETURN(const std::string start, ReadNeeded(client, listing, object));
    RETURN_IF_ERROR(WriteStandIn(JoinPath(folder, listing.FileName(object)), start, object.bytes));
  }
  return listing.PathIn(folder);
}

}  // namespace

absl::StatusOr<ModelFacts> CheckRemoteSpec(const JobSpec& spec, const SourceCache& cache) {
  RETURN_IF_ERROR(Validate(spec));
  const std::vector<RemoteSource> remote = RemoteSources(spec);
  if (remote.empty()) return CheckSpec(spec);
  const DownloadFolder& downloads = cache.downloads();
  ASSIGN_OR_RETURN(const TemporaryFolder temporary, TemporaryFolder::Make());
  S3Client client(cache.s3());
  std::vector<FoundSource> sources;
  for (const RemoteSource& source : remote) {
    ASSIGN_OR_RETURN(FoundSource found, cache.Find(&client, source, {}));
    sources.push_back(std::move(found));
  }
  RETURN_IF_ERROR(downloads.CheckFits(NamesOf(sources), DownloadsOf(sources)));
  LocalPaths paths;
  std::vector<FileDescriptor> holds;  // while it is checked
  for (const FoundSource& source : sources) {
    std::string& path = paths[source.fetched.source];
    ASSIGN_OR_RETURN(holds.emplace_back(), downloads.HoldWhole(source.download.content));
    if (holds.back().get() >= 0) {
      path = source.fetched.path;
    } else {
      ASSIGN_OR_RETURN(path, Preview(&client, source.listing, temporary));
    }
  }
  absl::StatusOr<ModelFacts> facts = CheckSpec(WithLocalPaths(spec, paths));
  if (!facts.ok()) return NameSources(facts.status(), paths);
  return facts;
}

}  // namespace rondo
