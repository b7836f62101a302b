#include "common/format/safetensors_writer.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/format/checkpoint.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class SafetensorsWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_writer_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = JoinPath(dir_, "m.safetensors");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create() {
    return SafetensorsWriter::Create(path_,
                                     {{"z", StorageType::kI64, {2}},
                                      {"a\"\xc3\xa9", StorageType::kF16, {1, 3}},
                                      {"none", StorageType::kF32, {0}}},
                                     {{"format", "pt"}});
  }
  static std::span<const std::byte> Bytes(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }

  std::string dir_;
  std::string path_;
};

TEST_F(SafetensorsWriterTest, RoundTripInAnyOrder) {
  auto writer = Create().value();
  ASSERT_TRUE(writer->Write("a\"\xc3\xa9", Bytes("abcdef")).ok());
  ASSERT_TRUE(writer->Write("none", {}).ok());
  ASSERT_TRUE(writer->Write("z", Bytes("0123456789abcdef")).ok());
  ASSERT_TRUE(writer->Finish().ok());
  writer.reset();
  EXPECT_THAT(ListFiles(dir_).value(), ElementsAre("m.safetensors"));

  const auto checkpoint = Checkpoint::OpenFile(path_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->names(), ElementsAre("a\"\xc3\xa9", "none", "z"));
  EXPECT_EQ(checkpoint->total_bytes(), 22);
  const TensorView view = checkpoint->Find("a\"\xc3\xa9").value();
  EXPECT_EQ(view.info.type, StorageType::kF16);
  EXPECT_THAT(view.info.shape, ElementsAre(1, 3));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(view.data.data()), view.data.size()),
            "abcdef");
  // The first tensor lies at a multiple of 8, so that int64 data can be used where they lie.
  const std::string file = ReadFile(path_).value();
  EXPECT_EQ(file.find("0123456789abcdef") % 8, 0u);
  EXPECT_NE(file.find(R"("__metadata__":{"format":"pt"})"), std::string::npos);
  EXPECT_THAT(ReadSafetensorsMetadata(path_).value(), ElementsAre(Pair("format", "pt")));
}

TEST_F(SafetensorsWriterTest, MetadataMayBeAbsentButMustBeTexts) {
  const auto read = [&](const std::string& header) {
    std::string file(8, '\0');
    file[0] = static_cast<char>(header.size());
    EXPECT_TRUE(WriteFileAtomically(path_, file + header).ok());
    return ReadSafetensorsMetadata(path_);
  };
  EXPECT_THAT(read("{}").value(), IsEmpty());
  for (const char* metadata : {"[1]", R"({"step":3})"}) {
    EXPECT_EQ(read(absl::StrCat(R"({"__metadata__":)", metadata, "}")).status(),
              absl::InvalidArgumentError(path_ + ": __metadata__ must be an object of texts"));
  }
}

TEST_F(SafetensorsWriterTest, NothingHasTheFinalNameBeforeFinish) {
  auto writer = Create().value();
  ASSERT_TRUE(writer->Write("none", {}).ok());
  EXPECT_EQ(ListFiles(dir_)->size(), 1u);
  EXPECT_FALSE(FileExists(path_));
  EXPECT_EQ(writer->Finish().message(), path_ + ": tensor a\"\xc3\xa9 is not written");
  EXPECT_FALSE(FileExists(path_));
  writer.reset();
  EXPECT_THAT(ListFiles(dir_).value(), IsEmpty());
}

TEST_F(SafetensorsWriterTest, RefusesWhatWasNotDeclared) {
  auto writer = Create().value();
  EXPECT_EQ(writer->Write("b", {}).message(), path_ + ": tensor b is not declared");
  EXPECT_EQ(writer->Write("z", Bytes("short")).message(), path_ + ": tensor z has 16 bytes, got 5");
  ASSERT_TRUE(writer->Write("none", {}).ok());
  EXPECT_EQ(writer->Write("none", {}).message(), path_ + ": tensor none is written twice");
  EXPECT_EQ(SafetensorsWriter::Create(
                path_, {{"t", StorageType::kU8, {1}}, {"t", StorageType::kU8, {2}}}, {})
                .status()
                .message(),
            path_ + ": tensor t is declared twice");
}

TEST_F(SafetensorsWriterTest, MissingFolder) {
  EXPECT_EQ(SafetensorsWriter::Create(dir_ + "/no/m", {}, {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(SafetensorsWriterTest, VerifyFindsOneByteThatIsAnother) {
  auto writer = Create().value();
  writer->KeepDigests();
  ASSERT_TRUE(writer->Write("a\"\xc3\xa9", Bytes("abcdef")).ok());
  ASSERT_TRUE(writer->Write("none", {}).ok());
  ASSERT_TRUE(writer->Write("z", Bytes("0123456789abcdef")).ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(writer->Verify().ok());
  const std::string good = ReadFile(path_).value();
  std::string bad = good;
  bad[bad.size() - 10] ^= 1;  // in z
  ASSERT_TRUE(WriteFileAtomically(path_, bad).ok());
  EXPECT_EQ(writer->Verify(),
            absl::InternalError("read again, " + path_ +
                                " does not hold z as it was written; does the disk work?"));
  ASSERT_TRUE(WriteFileAtomically(path_, good.substr(0, good.size() - 1)).ok());
  EXPECT_EQ(writer->Verify().code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(WriteFileAtomically(path_, good).ok());
  EXPECT_TRUE(writer->Verify().ok());
}

}  // namespace
}  // namespace rondo
