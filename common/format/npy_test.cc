#include "common/format/npy.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "common/io/file.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;

class NpyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_npy_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = JoinPath(dir_, "t.npy");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  template <typename T>
  static std::string Data(const std::vector<T>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  static std::string File(const std::string& dict, const std::string& data, int version = 1) {
    std::string file =
        absl::StrCat("\x93NUMPY", std::string(1, static_cast<char>(version)), std::string(1, '\0'));
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
      file += static_cast<char>(dict.size() >> (8 * i) & 0xff);
    }
    return file + dict + data;
  }
  absl::StatusOr<TokenArray> Read(const std::string& file) {
    EXPECT_TRUE(WriteFileAtomically(path_, file).ok());
    return ReadTokensNpy(path_);
  }
  std::string Message(const std::string& file) {
    const absl::Status status = Read(file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(CountTokensNpy(path_).status().ok(),
              absl::StrContains(std::string(status.message()), "does not fit"));
    return std::string(status.message()).substr(std::min(path_.size(), status.message().size()));
  }
  static std::string Dict(const std::string& descr, const std::string& shape) {
    return absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape, ", }");
  }

  std::string dir_;
  std::string path_;
};

// Written by NumPy itself.
TEST_F(NpyTest, ReadsTheGoldenTokens) {
  const std::string path = "tests/data/models/llama-tiny/golden/tokens.npy";
  const auto array = ReadTokensNpy(path);
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->shape, ElementsAre(4, 128));
  EXPECT_EQ(array->ids.size(), 512u);
  EXPECT_EQ(array->ids[0], 1);    // BOS
  EXPECT_EQ(array->ids[128], 1);  // the second row's
  EXPECT_EQ(CountTokensNpy(path).value(), 512);
}

TEST_F(NpyTest, TypesVersionsAndRanks) {
  EXPECT_THAT(Read(File(Dict("<i4", "(2,)"), Data<int32_t>({-1, 7})))->ids, ElementsAre(-1, 7));
  EXPECT_THAT(Read(File(Dict("<i8", "(2, 1)"), Data<int64_t>({5, 6}), 2))->ids, ElementsAre(5, 6));
  EXPECT_THAT(Read(File(Dict("<u2", "(1,)"), Data<uint16_t>({65535}), 3))->ids, ElementsAre(65535));
  EXPECT_THAT(Read(File(Dict("<u4", "()"), Data<uint32_t>({9})))->ids, ElementsAre(9));
  EXPECT_TRUE(Read(File(Dict("<i4", "(0, 5)"), ""))->ids.empty());
  EXPECT_THAT(
      Read(File("{\"shape\":(1,),\"descr\":\"<u2\",\"fortran_order\":False}", Data<uint16_t>({3})))
          ->ids,
      ElementsAre(3));
}

TEST_F(NpyTest, RefusesEverythingElse) {
  const std::string supported = "is not supported; supported: <i4, <i8, <u2, <u4";
  const std::string one = Data<int32_t>({1});
  EXPECT_EQ(Message(""), ": not an .npy file");
  EXPECT_EQ(Message("PK\x03\x04 0123456789"), ": not an .npy file");
  EXPECT_EQ(Message(File(Dict("<i4", "(1,)"), one, 4)), ": version 4 of .npy is not supported");
  EXPECT_EQ(Message(File(Dict("<i4", "(1,)"), one).substr(0, 40)), ": the header is truncated");
  EXPECT_EQ(Message(File(Dict("<f4", "(1,)"), one)), ": element type \"<f4\" " + supported);
  EXPECT_EQ(Message(File(Dict(">i4", "(1,)"), one)), ": element type \">i4\" " + supported);
  EXPECT_EQ(Message(File("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", one)),
            ": the array is not of one simple element type");
  EXPECT_EQ(Message(File("{}", one)), ": the header has no \"descr\"");
  EXPECT_EQ(Message(File("{'descr': '<i4'}", one)), ": the header has no \"shape\"");
  EXPECT_EQ(Message(File("{'descr': '<i4', 'fortran_order': True, 'shape': (1,)}", one)),
            ": the array is not in C order (\"fortran_order\" must be False)");
  EXPECT_EQ(Message(File(Dict("<i4", "(-1,)"), one)), ": shape (-1,) is not valid");
  EXPECT_EQ(Message(File(Dict("<i4", "(x,)"), one)), ": shape (x,) is not valid");
  EXPECT_EQ(Message(File(Dict("<i4", "(4611686018427387904,)"), one)),
            ": shape (4611686018427387904,) is not valid");
  EXPECT_EQ(Message(File(Dict("<i4", "(2,)"), one)),
            ": shape and type make 8 bytes of data, the file holds 4");
  EXPECT_EQ(Message(File(Dict("<i4", "(1,)"), one + "x")),
            ": shape and type make 4 bytes of data, the file holds 5");
  EXPECT_EQ(Message(File(Dict("<i8", "(2,)"), Data<int64_t>({1, 1ll << 31}))),
            ": id 2147483648 at element 1 does not fit 32 bits");
  EXPECT_EQ(Message(File(Dict("<u4", "(1,)"), Data<uint32_t>({4294967295u}))),
            ": id 4294967295 at element 0 does not fit 32 bits");
  EXPECT_EQ(ReadTokensNpy(JoinPath(dir_, "no")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rondo
