#include "common/format/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_join.h"
#include "common/format/checkpoint.h"
#include "common/format/json.h"
#include "common/io/sha256.h"

namespace rondo {
namespace {

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Eight bytes of length and the JSON, padded with spaces so that the data start at a multiple of 8.
std::string HeaderBytes(const std::vector<TensorInfo>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> entries;
  if (!metadata.empty()) {
    entries.push_back(absl::StrCat("\"__metadata__\":{",
                                   absl::StrJoin(metadata, ",",
                                                 [](std::string* out, const auto& entry) {
                                                   absl::StrAppend(out, Quoted(entry.first), ":",
                                                                   Quoted(entry.second));
                                                 }),
                                   "}"));
  }
  int64_t offset = 0;
  for (const TensorInfo& tensor : tensors) {
    entries.push_back(absl::StrCat(Quoted(tensor.name), ":{\"dtype\":\"",
                                   StorageTypeName(tensor.type), "\",\"shape\":[",
                                   absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", offset,
                                   ",", offset + tensor.bytes(), "]}"));
    offset += tensor.bytes();
  }
  std::string json = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return header + json;
}

// Takes the space now, so that a disk too small is known before any work. A file system without
// fallocate gets a sparse file.
absl::Status Reserve(int fd, int64_t bytes, const std::string& path) {
  if (fallocate(fd, 0, 0, bytes) == 0) return absl::OkStatus();
  if (errno != EOPNOTSUPP && errno != ENOSYS) return ErrnoStatus("reserve space for", path, errno);
  if (ftruncate(fd, bytes) != 0) return ErrnoStatus("resize", path, errno);
  return absl::OkStatus();
}

std::string DigestOf(std::span<const std::byte> data) {
  Sha256 sha256;
  sha256.Update(data);
  return sha256.FinishHex();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, const std::vector<TensorInfo>& tensors,
    const std::map<std::string, std::string>& metadata) {
  const std::string header = HeaderBytes(tensors, metadata);
  auto writer = std::unique_ptr<SafetensorsWriter>(new SafetensorsWriter());
  writer->path_ = path;
  int64_t offset = static_cast<int64_t>(header.size());
  for (const TensorInfo& tensor : tensors) {
    if (!writer->slots_.emplace(tensor.name, Slot{offset, tensor.bytes()}).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", tensor.name, " is declared twice"));
    }
    offset += tensor.bytes();
  }
  const std::string partial = PartialPath(path);
  ASSIGN_OR_RETURN(writer->fd_, OpenFd(partial, O_WRONLY | O_CREAT | O_EXCL));
  writer->partial_ = partial;
  RETURN_IF_ERROR(Reserve(writer->fd_.get(), offset, path));
  RETURN_IF_ERROR(WriteFullyAt(writer->fd_.get(), 0,
                               std::as_bytes(std::span(header.data(), header.size())), path));
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!partial_.empty()) unlink(partial_.c_str());
}

absl::Status SafetensorsWriter::Write(const std::string& name, std::span<const std::byte> data) {
  const auto it = slots_.find(name);
  if (it == slots_.end()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", name, " is not declared"));
  }
  Slot& slot = it->second;
  if (slot.written) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", name, " is written twice"));
  }
  if (static_cast<int64_t>(data.size()) != slot.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": tensor ", name, " has ", slot.bytes, " bytes, got ", data.size()));
  }
  RETURN_IF_ERROR(WriteFullyAt(fd_.get(), slot.offset, data, path_));
  slot.written = true;
  if (keep_digests_) slot.digest = DigestOf(data);
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Finish() {
  for (const auto& [name, slot] : slots_) {
    if (!slot.written) {
      return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", name, " is not written"));
    }
  }
  RETURN_IF_ERROR(PublishFile(fd_.get(), partial_, path_));
  partial_.clear();
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Verify() const {
  posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  const absl::StatusOr<Checkpoint> file = Checkpoint::OpenFile(path_);
  if (!file.ok()) {
    return absl::InternalError(absl::StrCat("read again, ", std::string(file.status().message())));
  }
  for (const auto& [name, slot] : slots_) {
    const absl::StatusOr<TensorView> tensor = file->Find(name);
    if (tensor.ok() && DigestOf(tensor->data) == slot.digest) {
      file->Drop(name);
      continue;
    }
    return absl::InternalError(absl::StrCat("read again, ", path_, " does not hold ", name,
                                            " as it was written; does the disk work?"));
  }
  return absl::OkStatus();
}

}  // namespace rondo
