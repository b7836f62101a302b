#include "server/core/source_cache.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/time/clock.h"
#include "common/io/file.h"
#include "common/io/posix.h"
#include "common/io/sha256.h"
#include "common/s3/s3_download.h"

namespace rondo {
namespace {

constexpr absl::Duration kLockCheck = absl::Milliseconds(100);
// Of a download, which nobody waits for: some minutes of trying before the job fails.
constexpr int kFetchTries = 9;

std::string LastSegment(const std::string& key) { return key.substr(key.rfind('/') + 1); }

bool HasName(const std::vector<S3Object>& objects, const std::string& name) {
  return std::any_of(objects.begin(), objects.end(),
                     [&](const S3Object& object) { return LastSegment(object.uri.key) == name; });
}

// Of the weights of a model only those in the form that is read (common/format/checkpoint_files.h):
// repositories hold the same in several.
void DropOtherWeights(std::vector<S3Object>* objects) {
  static constexpr std::array kForeign = {".gguf", ".h5", ".msgpack", ".onnx",
                                          ".pth",  ".pt", ".ckpt",    ".ot"};
  const bool safetensors =
      HasName(*objects, "model.safetensors") || HasName(*objects, "model.safetensors.index.json");
  const bool torch =
      HasName(*objects, "pytorch_model.bin") || HasName(*objects, "pytorch_model.bin.index.json");
  if (!safetensors && !torch) return;  // admission says what is wrong with them
  std::erase_if(*objects, [&](const S3Object& object) {
    const std::string& key = object.uri.key;
    return (safetensors && key.ends_with(".bin")) ||
           std::any_of(kForeign.begin(), kForeign.end(),
                       [&](const char* suffix) { return key.ends_with(suffix); });
  });
}

absl::Status KeepModel(const std::string& name, std::vector<S3Object>* objects) {
  // No file that is read has another name, and it will be a name here.
  std::erase_if(*objects, [](const S3Object& object) {
    return !ValidateFileName("file", LastSegment(object.uri.key)).ok();
  });
  if (!HasName(*objects, "config.json")) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " holds no config.json; it must be a Hugging Face model folder"));
  }
  DropOtherWeights(objects);
  return absl::OkStatus();
}

// Waits until no other process or thread holds it.
absl::StatusOr<FileDescriptor> Lock(const std::string& path, const StopRequested& stop) {
  ASSIGN_OR_RETURN(FileDescriptor fd, OpenFd(path, O_RDWR | O_CREAT));
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus("lock", path, errno);
    if (stop()) return absl::CancelledError("the download was stopped");
    absl::SleepFor(kLockCheck);
  }
  return fd;
}

}  // namespace

int64_t SourceListing::bytes() const {
  int64_t total = 0;
  for (const S3Object& object : objects) total += object.bytes;
  return total;
}

std::string SourceListing::FileName(const S3Object& object) const {
  return source.folder ? LastSegment(object.uri.key) : source.local_name;
}

std::string SourceListing::PathIn(const std::string& folder) const {
  return source.folder ? folder : JoinPath(folder, source.local_name);
}

std::string SourceCache::Folder(const SourceListing& listing) const {
  return JoinPath(root_, listing.content);
}

absl::StatusOr<SourceListing> SourceCache::List(S3Client* client,
                                                const RemoteSource& source) const {
  SourceListing listing{source, {}, ""};
  if (source.folder) {
    ASSIGN_OR_RETURN(listing.objects, client->List(source.uri));
    RETURN_IF_ERROR(KeepModel(source.uri.name(), &listing.objects));
  } else {
    ASSIGN_OR_RETURN(S3Object object, client->Find(source.uri));
    listing.objects.push_back(std::move(object));
  }
  Sha256 hash;
  hash.Update(absl::StrCat(s3_.endpoint, "\n"));
  for (const S3Object& object : listing.objects) {
    hash.Update(absl::StrCat(listing.FileName(object), "\n", object.name(), "\n", object.bytes,
                             "\n", object.etag, "\n"));
  }
  listing.content = hash.FinishHex().substr(0, 32);
  return listing;
}

absl::Status SourceCache::Download(S3Client* client, const SourceListing& listing,
                                   const FetchProgress& progress) const {
  const std::string folder = Folder(listing);
  const std::string partial = folder + kPartialSuffix;
  RETURN_IF_ERROR(MakeDirs(partial));
  int64_t done = 0;
  for (const S3Object& object : listing.objects) {
    const std::string path = JoinPath(partial, listing.FileName(object));
    RETURN_IF_ERROR(DownloadObject(
        client, object, path, [&](int64_t bytes) { progress(done + bytes, listing.bytes()); }));
    done += object.bytes;
  }
  RETURN_IF_ERROR(SyncDir(partial));
  if (std::rename(partial.c_str(), folder.c_str()) != 0) {
    return ErrnoStatus(absl::StrCat("rename ", partial, " to"), folder, errno);
  }
  return SyncDir(root_);
}

absl::StatusOr<SourceFetched> SourceCache::Fetch(const RemoteSource& source,
                                                 const SourceFetched& bound,
                                                 const FetchProgress& progress,
                                                 const StopRequested& stop) const {
  if (!bound.path.empty() && (FileExists(bound.path) || IsDirectory(bound.path))) return bound;
  S3Options options = s3_;
  options.tries = kFetchTries;
  S3Client client(options, stop);
  ASSIGN_OR_RETURN(const SourceListing listing, List(&client, source));
  const std::string folder = Folder(listing);
  if (!bound.path.empty() && bound.path.find(listing.content) == std::string::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat(source.uri.name(), " has changed since the job began with it, and ",
                     bound.path, " is gone; submit the job again"));
  }
  RETURN_IF_ERROR(MakeDirs(root_));
  const std::string lock = folder + ".lock";
  ASSIGN_OR_RETURN(const FileDescriptor held, Lock(lock, stop));
  if (!IsDirectory(folder)) RETURN_IF_ERROR(Download(&client, listing, progress));
  // Who waits for it will find the folder whole.
  RETURN_IF_ERROR(RemoveFile(lock));
  std::error_code ignored;  // its time is that of its last use, for who cleans up
  std::filesystem::last_write_time(folder, std::filesystem::file_time_type::clock::now(), ignored);
  return SourceFetched{source.uri.name(), listing.PathIn(folder),
                       static_cast<int64_t>(listing.objects.size()), listing.bytes()};
}

}  // namespace rondo
