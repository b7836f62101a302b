#include "common/io/sha256.h"

#include <gtest/gtest.h>

#include "common/io/file.h"

namespace rondo {
namespace {

// FIPS 180-2, appendix B.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.Update(std::string(1000, 'a'));
  EXPECT_EQ(million.FinishHex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, FileLargerThanTheBuffer) {
  const std::string path = testing::TempDir() + "/rondo_sha256_file";
  const std::string contents(3'000'001, 'x');
  ASSERT_TRUE(WriteFileAtomically(path, contents).ok());
  EXPECT_EQ(Sha256OfFile(path).value(), Sha256Hex(contents));
  EXPECT_EQ(Sha256OfFile(path + ".absent").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rondo
