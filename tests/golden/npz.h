// Reads NumPy's .npy and uncompressed .npz for tests: little-endian float32, float64, int64 and
// uint8, given as double in C order. Throws std::runtime_error, which fails a test with what it
// says.
// Zip: APPNOTE.TXT 4.3 (records) of PKWARE.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rondo::testing {

struct NpyArray {
  std::vector<int64_t> shape;  // empty: a scalar
  std::vector<double> values;  // row-major
};

template <typename T>
T ReadLittleEndian(std::string_view bytes, size_t offset) {
  if (offset + sizeof(T) > bytes.size()) throw std::runtime_error("truncated array file");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
std::vector<double> NpyValues(std::string_view data, int64_t count) {
  std::vector<double> values;
  values.reserve(count);
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<double>(ReadLittleEndian<T>(data, i * sizeof(T))));
  }
  return values;
}

inline std::vector<int64_t> NpyShape(std::string_view header) {
  const size_t open = header.find('(', header.find("'shape'"));
  std::vector<int64_t> shape;
  for (size_t i = open + 1; i < header.size() && header[i] != ')';) {
    if (header[i] < '0' || header[i] > '9') {
      ++i;
      continue;
    }
    size_t length = 0;
    shape.push_back(std::stoll(std::string(header.substr(i)), &length));
    i += length;
  }
  return shape;
}

// Columns first to rows first.
inline void Transpose(NpyArray* array) {
  if (array->shape.size() != 2) throw std::runtime_error("only matrices may be in Fortran order");
  const int64_t rows = array->shape[0], cols = array->shape[1];
  const std::vector<double> from = array->values;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) array->values[i * cols + j] = from[j * rows + i];
  }
}

inline NpyArray ParseNpy(std::string_view bytes) {
  if (!bytes.starts_with("\x93NUMPY")) throw std::runtime_error("not an .npy array");
  const bool v1 = bytes[6] == 1;
  const size_t start = v1 ? 10 : 12;
  const size_t length =
      v1 ? ReadLittleEndian<uint16_t>(bytes, 8) : ReadLittleEndian<uint32_t>(bytes, 8);
  const std::string_view header = bytes.substr(start, length);
  const std::string_view data = bytes.substr(start + length);
  NpyArray array{NpyShape(header), {}};
  int64_t count = 1;
  for (int64_t n : array.shape) count *= n;
  if (header.find("'<f8'") != header.npos) {
    array.values = NpyValues<double>(data, count);
  } else if (header.find("'<f4'") != header.npos) {
    array.values = NpyValues<float>(data, count);
  } else if (header.find("'<i8'") != header.npos) {
    array.values = NpyValues<int64_t>(data, count);
  } else if (header.find("'|u1'") != header.npos) {
    array.values = NpyValues<uint8_t>(data, count);
  } else {
    throw std::runtime_error("unexpected dtype in " + std::string(header));
  }
  if (header.find("'fortran_order': True") != header.npos) Transpose(&array);
  return array;
}

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline NpyArray ReadNpy(const std::string& path) { return ParseNpy(ReadAll(path)); }

// Members by name without ".npy".
inline std::map<std::string, NpyArray> ReadNpz(const std::string& path) {
  const std::string zip = ReadAll(path);
  const size_t end = zip.rfind("PK\5\6");
  if (end == zip.npos) throw std::runtime_error(path + " is not a zip file");
  std::map<std::string, NpyArray> arrays;
  size_t entry = ReadLittleEndian<uint32_t>(zip, end + 16);
  for (int left = ReadLittleEndian<uint16_t>(zip, end + 10); left > 0; --left) {
    if (ReadLittleEndian<uint16_t>(zip, entry + 10) != 0) {
      throw std::runtime_error(path + " is compressed");
    }
    const auto size = ReadLittleEndian<uint32_t>(zip, entry + 24);
    const auto name_length = ReadLittleEndian<uint16_t>(zip, entry + 28);
    const size_t local = ReadLittleEndian<uint32_t>(zip, entry + 42);
    const size_t data = local + 30 + ReadLittleEndian<uint16_t>(zip, local + 26) +
                        ReadLittleEndian<uint16_t>(zip, local + 28);
    const std::string name = zip.substr(entry + 46, name_length);
    arrays[name.substr(0, name.rfind(".npy"))] = ParseNpy(std::string_view(zip).substr(data, size));
    entry += 46 + name_length + ReadLittleEndian<uint16_t>(zip, entry + 30) +
             ReadLittleEndian<uint16_t>(zip, entry + 32);
  }
  return arrays;
}

}  // namespace rondo::testing
