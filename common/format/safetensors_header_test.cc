#include "common/format/safetensors_header.h"

#include <string>

#include <gtest/gtest.h>

namespace rondo {
namespace {

// The file "F" with this header and `data` bytes of data.
std::string File(const std::string& header, size_t data) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + std::string(data, '\x01');
}

absl::StatusOr<std::vector<StoredTensor>> Read(const std::string& file) {
  return ReadSafetensorsHeader(std::as_bytes(std::span(file.data(), file.size())), "F");
}

struct Case {
  std::string name;
  std::string file;
  std::string message;
};

std::string One(const std::string& fields) { return "{\"a\":{" + fields + "}}"; }

// NOLINTNEXTLINE(readability-function-size): a table
std::vector<Case> CorruptFiles() {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const std::string types =
      "supported; supported: BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64";
  std::string long_header = File("{}", 0);
  long_header.replace(0, 8, std::string("\x01\xe1\xf5\x05\x00\x00\x00\x00", 8));
  std::string huge_header = File("{}", 0);
  huge_header.replace(0, 8, std::string(8, '\xff'));
  std::string deep = R"("dtype":"F32","shape":)" + std::string(100, '[') + std::string(100, ']');
  return {
      {"Empty", "", "F is truncated: the header's length needs 8 bytes, the file has 0"},
      {"SevenBytes", "1234567",
       "F is truncated: the header's length needs 8 bytes, the file has 7"},
      {"HeaderOverBound", long_header,
       "F: the header would have 100000001 bytes; at most 100000000 are accepted in a safetensors "
       "file"},
      {"HeaderHuge", huge_header,
       "F: the header would have 18446744073709551615 bytes; at most 100000000 are accepted in a "
       "safetensors file"},
      {"HeaderTruncated", File("{      }", 0).substr(0, 12),
       "F is truncated: the header needs bytes up to 16, the file has 12"},
      {"NoJson", File("hello", 0), "F: the header is not valid JSON (at byte 1)"},
      {"EmptyHeader", File("", 0), "F: the header is not valid JSON (at byte 1)"},
      {"HalfJson", File("{\"a\":", 0), "F: the header is not valid JSON (at byte 6)"},
      {"TextAfterJson", File("{} x", 0), "F: the header is not valid JSON (at byte 4)"},
      {"NumberOutOfRange", File("{\"a\":1e999}", 0), "F: the header is not valid JSON"},
      {"NotUtf8", File("{\"\xff\":1}", 0), "F: the header is not valid JSON (at byte 3)"},
      {"Array", File("[]", 0), "F: the header is not a JSON object"},
      {"Deep", File(One(deep), 0), "F: the header is nested more than 64 deep"},
      {"TensorTwice", File("{\"a\":{" + good + "},\"a\":{" + good + "}}", 8),
       "F: the header names \"a\" twice"},
      {"FieldTwice", File(One(good + ",\"dtype\":\"F16\""), 8),
       "F: the header names \"dtype\" twice"},
      {"TensorNotObject", File("{\"a\":1}", 0), "F: tensor a is not described by an object"},
      {"NoDtype", File(One(R"("shape":[2],"data_offsets":[0,8])"), 8), "F: tensor a has no dtype"},
      {"UnknownDtype", File(One(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])"), 8),
       "F: tensor a has dtype \"F8_E4M3\", which is not " + types},
      {"NoShape", File(One(R"("dtype":"F32","data_offsets":[0,8])"), 8),
       "F: tensor a has no shape"},
      {"NegativeShape", File(One(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), 8),
       "F: tensor a has shape [-2]; sizes are whole numbers from 0"},
      {"FractionalShape", File(One(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), 8),
       "F: tensor a has shape [2.0]; sizes are whole numbers from 0"},
      {"ShapeOverInt64",
       File(One(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8])"), 8),
       "F: tensor a has shape [9223372036854775808]; sizes are whole numbers from 0"},
      {"SizeOverflows",
       File(One(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"), 8),
       "F: tensor a has shape [4294967296,4294967296], which is too large"},
      {"NoOffsets", File(One(R"("dtype":"F32","shape":[2])"), 8),
       "F: tensor a has no data_offsets of two numbers"},
      {"OneOffset", File(One(R"("dtype":"F32","shape":[2],"data_offsets":[8])"), 8),
       "F: tensor a has no data_offsets of two numbers"},
      {"OffsetsBackwards", File(One(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), 8),
       "F: tensor a has data_offsets [8,0]; two numbers from 0 are needed, the first not above the "
       "second"},
      {"OffsetNegative", File(One(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])"), 8),
       "F: tensor a has data_offsets [-8,0]; two numbers from 0 are needed, the first not above "
       "the second"},
      {"OffsetHuge",
       File(One(R"("dtype":"F32","shape":[2],"data_offsets":[9223372036854775799,)"
                R"(9223372036854775807])"),
            8),
       "F: tensor a has data_offsets [9223372036854775799,9223372036854775807]; two numbers from 0 "
       "are needed, the first not above the second"},
      {"SizeDiffers", File(One(R"("dtype":"F16","shape":[3],"data_offsets":[0,8])"), 8),
       "F: tensor a spans 8 bytes, but dtype F16 and shape [3] make 6"},
      {"DataTruncated", File(One(good), 7),
       "F is truncated: tensor a needs bytes up to 70, the file has 69"},
      {"TrailingBytes", File(One(good), 9),
       "F: 1 bytes at the end of the file belong to no tensor"},
      {"GapBefore", File(One(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])"), 12),
       "F: 4 bytes before tensor a belong to no tensor"},
      {"Overlap",
       File("{\"a\":{" + good + "},\"b\":{" + R"("dtype":"F32","shape":[2],"data_offsets":[4,12])" +
                "}}",
            12),
       "F: tensors a and b overlap"},
      {"SameBytes", File("{\"a\":{" + good + "},\"b\":{" + good + "}}", 8),
       "F: tensors a and b overlap"},
  };
}

class CorruptFile : public testing::TestWithParam<Case> {};

TEST_P(CorruptFile, IsRefusedByName) {
  const absl::Status status = Read(GetParam().file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Safetensors, CorruptFile, testing::ValuesIn(CorruptFiles()),
                         [](const auto& info) { return info.param.name; });

TEST(SafetensorsHeader, AcceptsEmptyScalarPaddedAndUnordered) {
  const std::string header =
      R"({"b":{"dtype":"I64","shape":[],"data_offsets":[4,12]},"__metadata__":{"format":"pt"},)"
      R"("empty":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]},)"
      R"("a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}   )";
  const auto tensors = Read(File(header, 12));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 3u);
  const int64_t start = 8 + static_cast<int64_t>(header.size());
  EXPECT_EQ((*tensors)[0].info.name, "a");
  EXPECT_EQ((*tensors)[0].info.type, StorageType::kBF16);
  EXPECT_EQ((*tensors)[0].info.shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ((*tensors)[0].offset, start);
  EXPECT_EQ((*tensors)[1].info.name, "empty");
  EXPECT_EQ((*tensors)[1].info.bytes(), 0);
  EXPECT_EQ((*tensors)[2].info.name, "b");
  EXPECT_EQ((*tensors)[2].info.elements(), 1);
  EXPECT_EQ((*tensors)[2].offset, start + 4);
}

TEST(SafetensorsHeader, EveryPrefixOfAGoodFileIsRefused) {
  const std::string file = File(One(R"("dtype":"U8","shape":[3],"data_offsets":[0,3])"), 3);
  ASSERT_TRUE(Read(file).ok());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(Read(file.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument)
        << size;
  }
}

}  // namespace
}  // namespace rondo
