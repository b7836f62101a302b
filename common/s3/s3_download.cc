#include "common/s3/s3_download.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "absl/strings/escaping.h"
#include "common/io/file.h"
#include "common/io/posix.h"
#include "common/io/sha256.h"
#include "common/s3/md5.h"

namespace rondo {
namespace {

constexpr size_t kBlock = 1 << 20;

// The ETag of contents that are handed over in order: the MD5, or that of the parts' MD5s and the
// number of parts.
class EtagOfContents {
 public:
  explicit EtagOfContents(int64_t part_bytes) : part_bytes_(part_bytes) {}

  void Update(std::span<const std::byte> data) {
    while (part_bytes_ > 0 && static_cast<int64_t>(data.size()) >= part_bytes_ - in_part_) {
      const size_t rest = static_cast<size_t>(part_bytes_ - in_part_);
      md5_.Update(data.first(rest));
      EndPart();
      data = data.subspan(rest);
    }
    md5_.Update(data);
    in_part_ += static_cast<int64_t>(data.size());
  }

  std::string Finish() {
    if (part_bytes_ == 0) return absl::BytesToHexString(md5_.Finish());
    if (in_part_ > 0) EndPart();
    md5_.Update(std::as_bytes(std::span(digests_)));
    return absl::StrCat(absl::BytesToHexString(md5_.Finish()), "-", digests_.size() / 16);
  }

 private:
  void EndPart() {
    digests_ += md5_.Finish();
    in_part_ = 0;
  }

  const int64_t part_bytes_;
  int64_t in_part_ = 0;
  Md5 md5_;
  std::string digests_;
};

absl::Status ForEachBlock(const std::string& path,
                          const std::function<void(std::span<const std::byte>)>& take) {
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(path, O_RDONLY));
  std::vector<std::byte> block(kBlock);
  while (true) {
    const ssize_t got = read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path, errno);
    if (got == 0) return absl::OkStatus();
    take(std::span<const std::byte>(block.data(), static_cast<size_t>(got)));
  }
}

absl::Status Damaged(const std::string& name, const std::string& sum, const std::string& is,
                     const std::string& said) {
  return absl::DataLossError(
      absl::StrCat(name, " arrived damaged: its ", sum, " is ", is, ", the service says ", said));
}

// Bytes of a file that are of use; what is more than the object is none of it.
absl::StatusOr<int64_t> BytesToKeep(const std::string& partial, int64_t most) {
  if (!FileExists(partial)) return 0;
  ASSIGN_OR_RETURN(const int64_t bytes, FileSize(partial));
  return bytes <= most ? bytes : 0;
}

// Completes `partial` from byte `start`, checks it and gives it its name.
absl::Status Complete(S3Client* client, const S3Object& object, const S3Checksums& checksums,
                      const std::string& path, const std::string& partial, int64_t start,
                      const std::function<void(int64_t)>& on_bytes) {
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(partial, O_RDWR | O_CREAT));
  if (ftruncate(fd.get(), start) != 0) return ErrnoStatus("shorten", partial, errno);
  int64_t here = start;
  RETURN_IF_ERROR(client->ReadFrom(object, start, [&](std::string_view bytes) {
    RETURN_IF_ERROR(WriteFullyAt(fd.get(), here, std::as_bytes(std::span(bytes)), partial));
    here += static_cast<int64_t>(bytes.size());
    on_bytes(here);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckContents(partial, checksums, object.name()));
  return PublishFile(fd.get(), partial, path);
}

}  // namespace

absl::Status CheckContents(const std::string& path, const S3Checksums& checksums,
                           const std::string& name) {
  if (!checksums.any()) return absl::OkStatus();
  Sha256 sha256;
  EtagOfContents etag(checksums.part_bytes);
  RETURN_IF_ERROR(ForEachBlock(path, [&](std::span<const std::byte> block) {
    if (!checksums.sha256.empty()) sha256.Update(block);
    if (!checksums.etag.empty()) etag.Update(block);
  }));
  if (!checksums.sha256.empty()) {
    const std::string is = absl::Base64Escape(absl::HexStringToBytes(sha256.FinishHex()));
    if (is != checksums.sha256) return Damaged(name, "SHA-256", is, checksums.sha256);
  }
  if (checksums.etag.empty()) return absl::OkStatus();
  const std::string is = etag.Finish();
  return is == checksums.etag ? absl::OkStatus() : Damaged(name, "ETag", is, checksums.etag);
}

absl::Status DownloadObject(S3Client* client, const S3Object& object, const std::string& path,
                            const std::function<void(int64_t bytes)>& on_bytes) {
  if (FileExists(path)) {
    ASSIGN_OR_RETURN(const int64_t bytes, FileSize(path));
    if (bytes == object.bytes) {
      on_bytes(bytes);
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const S3Checksums checksums, client->Checksums(object));
  const std::string partial = path + kPartialSuffix;
  // After a crash of the machine a file may be longer than what it really holds, which only a
  // checksum can tell.
  int64_t start = 0;
  if (checksums.any()) {
    ASSIGN_OR_RETURN(start, BytesToKeep(partial, object.bytes));
  }
  absl::Status status = Complete(client, object, checksums, path, partial, start, on_bytes);
  if (absl::IsDataLoss(status) && start > 0) {
    status = Complete(client, object, checksums, path, partial, 0, on_bytes);
  }
  if (absl::IsDataLoss(status)) RETURN_IF_ERROR(RemoveFile(partial));
  return status;
}

}  // namespace rondo
