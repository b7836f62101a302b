#include "server/core/source_cache.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/io/file.h"
#include "common/io/sha256.h"
#include "common/s3/s3_download.h"

namespace rondo {
namespace {

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

std::string SourceCache::ContentOf(const RemoteSource& source, const SourceFetched& fetched) const {
  const std::filesystem::path path = fetched.path;
  const std::filesystem::path folder = source.folder ? path : path.parent_path();
  std::string content = folder.filename().string();
  return folder == downloads_.Whole(content) ? content : "";
}

absl::StatusOr<FoundSource> SourceCache::Find(S3Client* client, const RemoteSource& source,
                                              const SourceFetched& bound) const {
  if (!bound.path.empty() && (FileExists(bound.path) || IsDirectory(bound.path))) {
    return FoundSource{{source, {}, ""}, bound, {ContentOf(source, bound), bound.bytes}};
  }
  ASSIGN_OR_RETURN(SourceListing listing, List(client, source));
  if (!bound.path.empty() && bound.path.find(listing.content) == std::string::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat(source.uri.name(), " has changed since the job began with it, and ",
                     bound.path, " is gone; submit the job again"));
  }
  SourceFetched fetched{source.uri.name(), listing.PathIn(downloads_.Whole(listing.content)),
                        static_cast<int64_t>(listing.objects.size()), listing.bytes()};
  rondo::Download download{listing.content, listing.bytes()};
  return FoundSource{std::move(listing), std::move(fetched), std::move(download)};
}

absl::Status SourceCache::Download(S3Client* client, const SourceListing& listing,
                                   const FetchProgress& progress) const {
  const std::string partial = downloads_.Partial(listing.content);
  RETURN_IF_ERROR(MakeDirs(partial));
  int64_t done = 0;
  for (const S3Object& object : listing.objects) {
    const std::string path = JoinPath(partial, listing.FileName(object));
    RETURN_IF_ERROR(DownloadObject(
        client, object, path, [&](int64_t bytes) { progress(done + bytes, listing.bytes()); }));
    done += object.bytes;
  }
  return absl::OkStatus();
}

absl::Status SourceCache::Fetch(S3Client* client, const FoundSource& found,
                                const FetchProgress& progress, const StopRequested& stop,
                                FileDescriptor* hold) const {
  const std::string& content = found.download.content;
  if (content.empty()) return absl::OkStatus();
  if (hold->get() < 0) {
    ASSIGN_OR_RETURN(*hold, downloads_.Hold(content, stop));
  }
  if (!IsDirectory(downloads_.Whole(content))) {
    if (found.listing.objects.empty()) {
      return absl::UnavailableError(absl::StrCat(found.fetched.path, " was removed just now"));
    }
    RETURN_IF_ERROR(Download(client, found.listing, progress));
    RETURN_IF_ERROR(downloads_.Complete(content, *hold, stop));
  }
  downloads_.Touch(content);
  return absl::OkStatus();
}

std::vector<Download> DownloadsOf(const std::vector<FoundSource>& sources) {
  std::vector<Download> downloads;
  for (const FoundSource& source : sources) {
    if (!source.download.content.empty()) downloads.push_back(source.download);
  }
  return downloads;
}

std::string NamesOf(const std::vector<FoundSource>& sources) {
  return absl::StrJoin(sources, ", ", [](std::string* out, const FoundSource& source) {
    absl::StrAppend(out, source.fetched.source);
  });
}

}  // namespace rondo
