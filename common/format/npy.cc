#include "common/format/npy.h"

#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/io/file.h"

namespace rondo {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct NpyHeader {
  std::string descr;  // "<i4"
  int64_t bytes_each = 0;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  int64_t data_start = 0;
};

absl::Status Invalid(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// The text after "'key':" in NumPy's dictionary literal.
std::optional<std::string> ValueOf(const std::string& dict, const std::string& key) {
  for (const char quote : {'\'', '"'}) {
    const std::string wanted = std::string(1, quote) + key + quote;
    const size_t at = dict.find(wanted);
    if (at == std::string::npos) continue;
    const size_t colon = dict.find_first_not_of(' ', at + wanted.size());
    if (colon == std::string::npos || dict[colon] != ':') return std::nullopt;
    const size_t value = dict.find_first_not_of(' ', colon + 1);
    if (value == std::string::npos) return std::nullopt;
    return dict.substr(value);
  }
  return std::nullopt;
}

absl::Status ReadDescr(const std::string& dict, const std::string& path, NpyHeader* header) {
  const std::optional<std::string> value = ValueOf(dict, "descr");
  if (!value) return Invalid(path, "the header has no \"descr\"");
  const size_t end = value->find((*value)[0], 1);
  const bool quoted = (*value)[0] == '\'' || (*value)[0] == '"';
  if (!quoted || end == std::string::npos) {
    return Invalid(path, "the array is not of one simple element type");
  }
  header->descr = value->substr(1, end - 1);
  for (const char* known : {"<i4", "<i8", "<u2", "<u4"}) {
    if (header->descr == known) {
      header->bytes_each = known[2] - '0';
      return absl::OkStatus();
    }
  }
  return Invalid(path, absl::StrCat("element type \"", header->descr,
                                    "\" is not supported; supported: <i4, <i8, <u2, <u4"));
}

absl::Status ReadShape(const std::string& dict, const std::string& path, NpyHeader* header) {
  const std::optional<std::string> value = ValueOf(dict, "shape");
  const size_t end = value ? value->find(')') : std::string::npos;
  if (end == std::string::npos || (*value)[0] != '(') {
    return Invalid(path, "the header has no \"shape\"");
  }
  const std::string text = value->substr(1, end - 1);
  int64_t bytes = header->bytes_each;
  for (const auto piece : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(piece, &size) || size < 0 ||
        __builtin_mul_overflow(bytes, size, &bytes)) {
      return Invalid(path, absl::StrCat("shape (", text, ") is not valid"));
    }
    header->shape.push_back(size);
    header->elements *= size;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HeaderText(std::span<const std::byte> file, const std::string& path,
                                       NpyHeader* header) {
  const auto byte = [&](size_t i) { return std::to_integer<uint64_t>(file[i]); };
  if (file.size() < 10 || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0) {
    return Invalid(path, "not an .npy file");
  }
  const uint64_t version = byte(6);
  if (version < 1 || version > 3) {
    return Invalid(path, absl::StrCat("version ", version, " of .npy is not supported"));
  }
  const size_t start = version == 1 ? 10 : 12;
  if (file.size() < start) return Invalid(path, "the header is truncated");
  uint64_t length = 0;
  for (size_t i = 8; i < start; ++i) length |= byte(i) << (8 * (i - 8));
  if (length > file.size() - start) return Invalid(path, "the header is truncated");
  header->data_start = static_cast<int64_t>(start + length);
  return std::string(reinterpret_cast<const char*>(file.data()) + start, length);
}

absl::StatusOr<NpyHeader> ReadHeader(const MappedFile& file) {
  NpyHeader header;
  const std::string& path = file.path();
  ASSIGN_OR_RETURN(const std::string dict, HeaderText(file.bytes(), path, &header));
  RETURN_IF_ERROR(ReadDescr(dict, path, &header));
  RETURN_IF_ERROR(ReadShape(dict, path, &header));
  const std::optional<std::string> order = ValueOf(dict, "fortran_order");
  if (!order || order->rfind("False", 0) != 0) {
    return Invalid(path, "the array is not in C order (\"fortran_order\" must be False)");
  }
  const int64_t held = static_cast<int64_t>(file.bytes().size()) - header.data_start;
  if (held != header.elements * header.bytes_each) {
    return Invalid(path, absl::StrCat("shape and type make ", header.elements * header.bytes_each,
                                      " bytes of data, the file holds ", held));
  }
  return header;
}

template <typename T>
absl::Status Convert(std::span<const std::byte> data, const std::string& path,
                     std::vector<int32_t>* ids) {
  for (size_t i = 0; i < ids->size(); ++i) {
    T value;
    std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
    if (!std::in_range<int32_t>(value)) {
      return Invalid(path, absl::StrCat("id ", value, " at element ", i, " does not fit 32 bits"));
    }
    (*ids)[i] = static_cast<int32_t>(value);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenArray> ReadTokensNpy(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(const NpyHeader header, ReadHeader(*file));
  TokenArray array;
  array.shape = header.shape;
  array.ids.resize(header.elements);
  const auto data = file->bytes().subspan(header.data_start);
  if (header.descr == "<i4") RETURN_IF_ERROR(Convert<int32_t>(data, path, &array.ids));
  if (header.descr == "<i8") RETURN_IF_ERROR(Convert<int64_t>(data, path, &array.ids));
  if (header.descr == "<u2") RETURN_IF_ERROR(Convert<uint16_t>(data, path, &array.ids));
  if (header.descr == "<u4") RETURN_IF_ERROR(Convert<uint32_t>(data, path, &array.ids));
  return array;
}

absl::StatusOr<int64_t> CountTokensNpy(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(const NpyHeader header, ReadHeader(*file));
  return header.elements;
}

}  // namespace rondo
