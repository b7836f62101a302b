#include "worker/model/torch_zip.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/model/weights.h"

namespace rondo {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kFiles[] = "tests/data/torch/";

absl::StatusOr<std::vector<StoredTensor>> Find(const std::string& name) {
  return FindTorchTensors(*MappedFile::Open(kFiles + name).value());
}

// As torch spells the dtypes of good.json.
StorageType TypeNamed(const std::string& name) {
  if (name == "float16") return StorageType::kF16;
  if (name == "bfloat16") return StorageType::kBF16;
  return name == "int64" ? StorageType::kI64 : StorageType::kF32;
}

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    for (const int shift : {4, 0}) {
      text += "0123456789abcdef"[std::to_integer<int>(byte) >> shift & 15];
    }
  }
  return text;
}

class GoodFile : public ::testing::TestWithParam<const char*> {};

TEST_P(GoodFile, HoldsWhatTorchSaved) {
  const json expected = json::parse(ReadFile(std::string(kFiles) + "good.json").value());
  const auto file = MappedFile::Open(kFiles + std::string(GetParam())).value();
  const auto tensors = FindTorchTensors(*file);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->size(), expected.size());
  for (const StoredTensor& tensor : *tensors) {
    SCOPED_TRACE(tensor.info.name);
    const json& wanted = expected.at(tensor.info.name);
    EXPECT_EQ(tensor.info.shape, wanted["shape"].get<std::vector<int64_t>>());
    EXPECT_EQ(tensor.info.type, TypeNamed(wanted["dtype"].get<std::string>()));
    EXPECT_EQ(Hex(file->bytes().subspan(tensor.offset, tensor.info.bytes())),
              wanted["bytes"].get<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(TorchZip, GoodFile, ::testing::Values("dict.bin", "state_dict.bin"));

TEST(TorchZip, ParametersAreTensors) {
  const auto tensors = Find("parameters.bin");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->size(), 7u);
}

struct BadFileCase {
  const char* file;
  const char* message;
};

class BadFile : public ::testing::TestWithParam<BadFileCase> {};

TEST_P(BadFile, IsRefusedByName) {
  const absl::Status status = Find(GetParam().file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, ::testing::StartsWith(std::string(kFiles) + GetParam().file + ": "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    TorchZip, BadFile,
    ::testing::Values(
        BadFileCase{"other_type.bin",
                    "it holds an object of the Python type decimal.Decimal; only "},
        BadFileCase{"nested.bin", "entry model is not a tensor"},
        BadFileCase{"list.bin", "it holds no dict of tensors"},
        BadFileCase{"number_key.bin", "a key of its dict is not a text"},
        BadFileCase{"transposed.bin", "tensor a is not stored row by row (strides [1, 3])"},
        BadFileCase{"complex.bin", "tensor a has dtype ComplexFloat, which is not supported"},
        BadFileCase{"storage_too_large.bin",
                    "tensor a needs 1204 bytes from byte 0 of a record of 1200"},
        BadFileCase{"offset.bin", "tensor a needs 1200 bytes from byte 4 of a record of 1200"},
        BadFileCase{"compressed.bin", "is compressed, which torch.save never does"},
        BadFileCase{"no_pickle.bin", "it has no record data.pkl"},
        BadFileCase{"no_record.bin", "failed locating file data/0: file not found"},
        BadFileCase{"half_pickle.bin", "its pickle is cut off"},
        BadFileCase{"big_endian.bin", "its byte order is big; little is supported"},
        BadFileCase{"truncated.bin", "failed finding central directory"},
        BadFileCase{"make_files.py", "failed finding central directory"}));

TEST(TorchZip, APickleThatCallsIsRefusedUncalled) {
  const absl::Status status = Find("runs_code.bin").status();
  EXPECT_EQ(status, absl::InvalidArgumentError(
                        "tests/data/torch/runs_code.bin: it holds an object of the Python type "
                        "posix.mkdir; only tensors and dicts are read"));
  EXPECT_FALSE(std::filesystem::exists("the-pickle-ran-code"));
}

// A damaged file may be refused or read as something else, but never out of bounds.
TEST(TorchZip, EveryChangedByteIsSurvived) {
  const std::string good = ReadFile(std::string(kFiles) + "state_dict.bin").value();
  const std::string path = ::testing::TempDir() + "/changed.bin";
  for (size_t i = 0; i < good.size(); i += 7) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
    ASSERT_TRUE(WriteFileAtomically(path, changed).ok());
    const auto file = MappedFile::Open(path).value();
    const auto tensors = FindTorchTensors(*file);
    if (!tensors.ok()) continue;
    for (const StoredTensor& tensor : *tensors) {
      EXPECT_GE(tensor.offset, 0);
      EXPECT_LE(tensor.offset + tensor.info.bytes(), static_cast<int64_t>(good.size()));
    }
  }
}

TEST(OpenCheckpointTest, ReadsShardsOfTorch) {
  const std::string dir = ::testing::TempDir() + "/rondo_torch_shards";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  std::filesystem::copy(kFiles + std::string("dict.bin"), dir + "/one.bin");
  std::filesystem::copy(kFiles + std::string("plain.bin"), dir + "/two.bin");
  const std::string index = dir + "/pytorch_model.bin.index.json";
  ASSERT_TRUE(WriteFileAtomically(
                  index, R"({"weight_map":{"half":"one.bin","rows":"one.bin","a":"two.bin"}})")
                  .ok());
  const auto checkpoint = OpenCheckpoint(dir);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->names(), ::testing::ElementsAre("a", "half", "rows"));
  EXPECT_EQ(checkpoint->total_bytes(), 1200 + 24 + 32);
  ASSERT_TRUE(WriteFileAtomically(index, R"({"weight_map":{"b":"two.bin"}})").ok());
  EXPECT_EQ(
      OpenCheckpoint(dir).status(),
      absl::InvalidArgumentError(index + " places tensor b in two.bin, which does not hold it"));
}

}  // namespace
}  // namespace rondo
