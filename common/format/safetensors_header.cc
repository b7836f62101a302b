#include "common/format/safetensors_header.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/format/json.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr char kMetadata[] = "__metadata__";
// The bound of the reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

constexpr std::array kTypes = {StorageType::kBool, StorageType::kU8,   StorageType::kI8,
                               StorageType::kI16,  StorageType::kI32,  StorageType::kI64,
                               StorageType::kF16,  StorageType::kBF16, StorageType::kF32,
                               StorageType::kF64};

std::optional<int64_t> AsNonNegative(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    return std::nullopt;
  }
  const int64_t number = value.get<int64_t>();
  return number < 0 ? std::nullopt : std::optional(number);
}

absl::StatusOr<StorageType> ReadType(const json& entry, const std::string& where) {
  const auto it = entry.find("dtype");
  if (it == entry.end() || !it->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat(where, " has no dtype"));
  }
  const std::string name = it->get<std::string>();
  for (const StorageType type : kTypes) {
    if (StorageTypeName(type) == name) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where, " has dtype \"", name,
                   "\", which is not supported; supported: BOOL, U8, I8, I16, I32, I64, F16, "
                   "BF16, F32, F64"));
}

// Also checks that the tensor's size in bytes fits int64.
absl::StatusOr<std::vector<int64_t>> ReadShape(const json& entry, StorageType type,
                                               const std::string& where) {
  const auto it = entry.find("shape");
  if (it == entry.end() || !it->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(where, " has no shape"));
  }
  std::vector<int64_t> shape;
  int64_t bytes = BytesOf(type);
  for (const json& element : *it) {
    const std::optional<int64_t> size = AsNonNegative(element);
    if (!size) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " has shape ", it->dump(), "; sizes are whole numbers from 0"));
    }
    if (__builtin_mul_overflow(bytes, *size, &bytes)) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " has shape ", it->dump(), ", which is too large"));
    }
    shape.push_back(*size);
  }
  return shape;
}

absl::StatusOr<StoredTensor> ReadTensor(const std::string& name, const json& entry,
                                        int64_t data_start, const std::string& path) {
  const std::string where = absl::StrCat(path, ": tensor ", name);
  if (!entry.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(where, " is not described by an object"));
  }
  StoredTensor tensor;
  tensor.info.name = name;
  ASSIGN_OR_RETURN(tensor.info.type, ReadType(entry, where));
  ASSIGN_OR_RETURN(tensor.info.shape, ReadShape(entry, tensor.info.type, where));
  const auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(where, " has no data_offsets of two numbers"));
  }
  const std::optional<int64_t> begin = AsNonNegative((*offsets)[0]);
  const std::optional<int64_t> end = AsNonNegative((*offsets)[1]);
  if (!begin || !end || *begin > *end || *end > INT64_MAX - data_start) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " has data_offsets ", offsets->dump(),
                     "; two numbers from 0 are needed, the first not above the second"));
  }
  if (*end - *begin != tensor.info.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, " spans ", *end - *begin, " bytes, but dtype ", StorageTypeName(tensor.info.type),
        " and shape ", entry["shape"].dump(), " make ", tensor.info.bytes()));
  }
  tensor.offset = data_start + *begin;
  return tensor;
}

// REQUIRES: tensors in order of offset.
absl::Status CheckCoverage(const std::vector<StoredTensor>& tensors, int64_t data_start,
                           int64_t file_size, const std::string& path) {
  int64_t end = data_start;
  const std::string* previous = nullptr;
  for (const StoredTensor& tensor : tensors) {
    const std::string& name = tensor.info.name;
    const int64_t tensor_end = tensor.offset + tensor.info.bytes();
    if (tensor_end > file_size) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is truncated: tensor ", name,
                                                     " needs bytes up to ", tensor_end,
                                                     ", the file has ", file_size));
    }
    if (tensor.offset < end) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensors ", *previous, " and ", name, " overlap"));
    }
    if (tensor.offset > end) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": ", tensor.offset - end, " bytes before tensor ", name, " belong to no tensor"));
    }
    end = tensor_end;
    previous = &name;
  }
  if (end != file_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", file_size - end, " bytes at the end of the file belong to no tensor"));
  }
  return absl::OkStatus();
}

// The header's JSON text.
absl::StatusOr<std::string_view> HeaderText(std::span<const std::byte> file,
                                            const std::string& path) {
  if (file.size() < kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is truncated: the header's length needs 8 bytes, the file has ", file.size()));
  }
  uint64_t length = 0;
  for (uint64_t i = 0; i < kLengthBytes; ++i) {
    length |= std::to_integer<uint64_t>(file[i]) << (8 * i);
  }
  if (length > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the header would have ", length,
                                                   " bytes; at most ", kMaxHeaderBytes,
                                                   " are accepted in a safetensors file"));
  }
  if (length > file.size() - kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is truncated: the header needs bytes ",
                                                   "up to ", kLengthBytes + length,
                                                   ", the file has ", file.size()));
  }
  return std::string_view(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
}

}  // namespace

absl::StatusOr<std::vector<StoredTensor>> ReadSafetensorsHeader(std::span<const std::byte> file,
                                                                const std::string& path) {
  ASSIGN_OR_RETURN(const std::string_view text, HeaderText(file, path));
  ASSIGN_OR_RETURN(const json header, ParseJsonObject(text, absl::StrCat(path, ": the header")));
  const int64_t data_start = static_cast<int64_t>(kLengthBytes + text.size());
  std::vector<StoredTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) continue;
    ASSIGN_OR_RETURN(StoredTensor tensor, ReadTensor(name, entry, data_start, path));
    tensors.push_back(std::move(tensor));
  }
  // Empty tensors before others that start at the same byte.
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    const auto key = [](const StoredTensor& t) { return std::pair(t.offset, t.info.bytes()); };
    return key(a) < key(b);
  });
  RETURN_IF_ERROR(CheckCoverage(tensors, data_start, static_cast<int64_t>(file.size()), path));
  return tensors;
}

absl::StatusOr<std::map<std::string, std::string>> ReadSafetensorsMetadata(
    std::span<const std::byte> file, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string_view text, HeaderText(file, path));
  ASSIGN_OR_RETURN(const json header, ParseJsonObject(text, absl::StrCat(path, ": the header")));
  std::map<std::string, std::string> metadata;
  const auto it = header.find(kMetadata);
  if (it == header.end()) return metadata;
  const absl::Status no_texts = absl::InvalidArgumentError(
      absl::StrCat(path, ": ", kMetadata, " must be an object of texts"));
  if (!it->is_object()) return no_texts;
  for (const auto& [name, value] : it->items()) {
    if (!value.is_string()) return no_texts;
    metadata[name] = value.get<std::string>();
  }
  return metadata;
}

}  // namespace rondo
