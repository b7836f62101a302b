#include "common/io/file.h"

#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/posix.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_file_XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  std::string dir_;
};

TEST_F(FileTest, WritesWholeFilesAndLeavesNothingAside) {
  const std::string contents("a\0b", 3);
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "old").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("f"), contents).ok());
  EXPECT_EQ(ReadFile(Path("f")).value(), contents);
  EXPECT_EQ(FileSize(Path("f")).value(), 3);
  EXPECT_THAT(ListFiles(dir_).value(), ElementsAre("f"));
}

TEST_F(FileTest, FailedWriteKeepsTheOldFile) {
  ASSERT_TRUE(MakeDirs(Path("target")).ok());
  EXPECT_FALSE(WriteFileAtomically(Path("target"), "x").ok());  // a folder has the name
  EXPECT_TRUE(IsDirectory(Path("target")));
  EXPECT_TRUE(ListFiles(dir_)->empty());
}

TEST_F(FileTest, RefusesToReadMoreThanAllowed) {
  ASSERT_TRUE(WriteFileAtomically(Path("f"), "12345").ok());
  EXPECT_TRUE(ReadFile(Path("f"), 5).ok());
  const absl::Status status = ReadFile(Path("f"), 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), Path("f") + " has 5 bytes; at most 4 are read");
}

TEST_F(FileTest, FullDiskIsResourceExhausted) {
  const absl::Status status =
      WriteFullyAt(OpenFd("/dev/full", 1).value().get(), 0, std::as_bytes(std::span("x")), "big");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "write big: No space left on device");
}

TEST_F(FileTest, MissingAndWrongKinds) {
  EXPECT_EQ(ReadFile(Path("no")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadFile(Path("no")).status().message()), HasSubstr(Path("no")));
  EXPECT_EQ(ReadFile(dir_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ListFiles(Path("no")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(Path("no")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(FileExists(dir_));
  EXPECT_FALSE(IsDirectory(Path("no")));
}

TEST_F(FileTest, CopiesAndRemoves) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "contents").ok());
  ASSERT_TRUE(CopyFileAtomically(Path("a"), Path("b")).ok());
  EXPECT_EQ(ReadFile(Path("b")).value(), "contents");
  EXPECT_TRUE(RemoveFile(Path("a")).ok());
  EXPECT_TRUE(RemoveFile(Path("a")).ok());
  EXPECT_THAT(ListFiles(dir_).value(), ElementsAre("b"));
  EXPECT_EQ(CopyFileAtomically(Path("a"), Path("c")).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(RemoveFile(dir_).ok());
}

TEST_F(FileTest, ListsFilesOnly) {
  ASSERT_TRUE(WriteFileAtomically(Path("b"), "").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  ASSERT_TRUE(MakeDirs(Path("folder")).ok());
  ASSERT_EQ(symlink(Path("nowhere").c_str(), Path("link").c_str()), 0);
  EXPECT_THAT(ListFiles(dir_).value(), ElementsAre("a", "b"));
}

TEST_F(FileTest, MakesFoldersOnceAndAgain) {
  ASSERT_TRUE(MakeDirs(Path("a/b/c")).ok());
  ASSERT_TRUE(MakeDirs(Path("a/b/c")).ok());
  EXPECT_TRUE(IsDirectory(Path("a/b/c")));
  ASSERT_TRUE(WriteFileAtomically(Path("file"), "").ok());
  EXPECT_FALSE(MakeDirs(Path("file")).ok());
}

TEST_F(FileTest, MapsAndDropsPages) {
  std::string contents;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&contents, i, "\n");
  ASSERT_TRUE(WriteFileAtomically(Path("f"), contents).ok());
  const auto mapped = MappedFile::Open(Path("f")).value();
  const auto text = [&] {
    return std::string(reinterpret_cast<const char*>(mapped->bytes().data()),
                       mapped->bytes().size());
  };
  EXPECT_EQ(text(), contents);
  mapped->DropPages(1, static_cast<int64_t>(contents.size()) - 1);
  EXPECT_EQ(text(), contents);

  ASSERT_TRUE(WriteFileAtomically(Path("empty"), "").ok());
  EXPECT_EQ(MappedFile::Open(Path("empty")).value()->bytes().size(), 0u);
}

TEST(ValidateFileName, AcceptsOneSegmentOnly) {
  for (const std::string name : {"a", "model-00001-of-00002.safetensors", "_", "..."}) {
    EXPECT_TRUE(ValidateFileName("shard", name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("a\0", 2), std::string("\xc3\xa9"), std::string(256, 'a')}) {
    EXPECT_EQ(ValidateFileName("shard", name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_THAT(std::string(ValidateFileName("shard", "../x").message()),
              HasSubstr("shard \"../x\" is not a file name"));
}

TEST(JoinPath, OneSlash) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

}  // namespace
}  // namespace rondo
