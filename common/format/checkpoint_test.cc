#include "common/format/checkpoint.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/format/safetensors_writer.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_checkpoint_XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  // One-byte tensors of these names.
  void Shard(const std::string& file, const std::vector<std::string>& names) {
    std::vector<TensorInfo> tensors;
    tensors.reserve(names.size());
    for (const std::string& name : names) tensors.push_back({name, StorageType::kU8, {1}});
    auto writer = SafetensorsWriter::Create(Path(file), tensors, {}).value();
    for (const std::string& name : names) {
      ASSERT_TRUE(writer->Write(name, std::as_bytes(std::span(name.data(), 1))).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
  }
  void Index(const std::string& json) {
    ASSERT_TRUE(WriteFileAtomically(Path("model.safetensors.index.json"), json).ok());
  }
  std::string OpenMessage() const {
    const absl::Status status = Checkpoint::Open(dir_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }
  std::string dir_;
};

TEST_F(CheckpointTest, Shards) {
  Shard("one.safetensors", {"a", "c", "unlisted"});
  Shard("two.safetensors", {"b"});
  Index(R"({"metadata":{},"weight_map":{"a":"one.safetensors","b":"two.safetensors",)"
        R"("c":"one.safetensors"}})");
  const auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->names(), ElementsAre("a", "b", "c"));
  for (const std::string& name : checkpoint->names()) {
    EXPECT_EQ(static_cast<char>(checkpoint->Find(name)->data[0]), name[0]);
    checkpoint->Drop(name);
  }
  EXPECT_EQ(checkpoint->total_bytes(), 3);
  EXPECT_FALSE(checkpoint->Has("d"));
  EXPECT_EQ(checkpoint->Find("d").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(checkpoint->Find("d").status().message(), "the checkpoint holds no tensor d");
}

TEST_F(CheckpointTest, ABareDecoderIsReadUnderFullNames) {
  const auto names_of = [&](const std::vector<std::string>& names) {
    Shard("model.safetensors", names);
    return Checkpoint::Open(dir_)->names();
  };
  EXPECT_THAT(names_of({"decoder.embed_tokens.weight", "decoder.layers.0.fc1.bias"}),
              ElementsAre("model.decoder.embed_tokens.weight", "model.decoder.layers.0.fc1.bias"));
  EXPECT_EQ(Checkpoint::Open(dir_)->Find("model.decoder.layers.0.fc1.bias")->info.name,
            "model.decoder.layers.0.fc1.bias");
  EXPECT_THAT(names_of({"embed_tokens.weight", "lm_head.weight", "norm.weight"}),
              ElementsAre("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"));
  EXPECT_THAT(names_of({"model.embed_tokens.weight", "odd.weight"}),
              ElementsAre("model.embed_tokens.weight", "odd.weight"));
}

TEST_F(CheckpointTest, NoModel) {
  EXPECT_EQ(Checkpoint::Open(Path("no")).status(),
            absl::NotFoundError(Path("no") + " is not a folder"));
  EXPECT_EQ(
      Checkpoint::Open(dir_).status(),
      absl::NotFoundError(dir_ + " holds neither model.safetensors nor pytorch_model.bin, nor "
                                 "the index of one"));
}

TEST_F(CheckpointTest, OtherFormsAreRefusedWithTheWayToConvert) {
  const std::string way = " and call save_pretrained(new_folder), which writes model.safetensors";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"model.q8_0.gguf",
       "AutoModelForCausalLM.from_pretrained(folder, gguf_file=name) of transformers"},
      {"tf_model.h5",
       "AutoModelForCausalLM.from_pretrained(folder, from_tf=True) of transformers 4"},
      {"model.onnx",
       "AutoModelForCausalLM.from_pretrained(folder) of transformers on the folder that the ONNX "
       "file was exported from"},
      {"consolidated.00.pth", "convert_llama_weights_to_hf.py of transformers 4"},
      {"adapter_model.safetensors", "the program that wrote it, into a model of transformers"},
  };
  for (const auto& [name, load] : cases) {
    ASSERT_TRUE(WriteFileAtomically(Path(name), "x").ok());
    EXPECT_EQ(
        OpenMessage(),
        absl::StrCat(dir_, " holds ", name,
                     ", which is not a form of checkpoint that is read; load it with ", load, way));
    ASSERT_TRUE(RemoveFile(Path(name)).ok());
  }
  const std::string legacy = Path("pytorch_model.bin");
  ASSERT_TRUE(WriteFileAtomically(legacy, "\x80\x02\x8a\x0a").ok());
  EXPECT_EQ(OpenMessage(),
            legacy +
                " is not in the zip format that torch.save writes since PyTorch 1.6; load it "
                "with AutoModelForCausalLM.from_pretrained(folder) of transformers" +
                way);
}

TEST_F(CheckpointTest, SafetensorsComeBeforeTorch) {
  ASSERT_TRUE(WriteFileAtomically(Path("pytorch_model.bin"), "PK\x03\x04").ok());
  EXPECT_EQ(Checkpoint::Open(dir_).status(),
            absl::FailedPreconditionError(
                dir_ + " holds a checkpoint of PyTorch, which only workers read"));
  Shard("model.safetensors", {"a"});
  EXPECT_THAT(Checkpoint::Open(dir_)->names(), ElementsAre("a"));
}

TEST_F(CheckpointTest, ShardsOfTorchAreFound) {
  ASSERT_TRUE(WriteFileAtomically(Path("pytorch_model.bin.index.json"),
                                  R"({"weight_map":{"a":"1.bin","b":"1.bin","c":"2.bin"}})")
                  .ok());
  EXPECT_EQ(FindCheckpoint(dir_).status(),
            absl::InvalidArgumentError(Path("pytorch_model.bin.index.json") +
                                       " names shard 1.bin of tensor a, which does not exist"));
  ASSERT_TRUE(WriteFileAtomically(Path("1.bin"), "PK\x03\x04..").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("2.bin"), "PK\x03\x04").ok());
  const auto files = FindCheckpoint(dir_);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->form, CheckpointForm::kTorch);
  EXPECT_THAT(files->paths, ElementsAre(Path("1.bin"), Path("2.bin")));
  EXPECT_EQ(files->shard_of.at("b"), Path("1.bin"));
  EXPECT_EQ(files->bytes().value(), 10);
}

TEST_F(CheckpointTest, CorruptIndex) {
  const std::string index = Path("model.safetensors.index.json");
  Shard("one.safetensors", {"a"});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", index + " is not valid JSON (at byte 2)"},
      {"{}", index + " has no object \"weight_map\""},
      {R"({"weight_map":[]})", index + " has no object \"weight_map\""},
      {R"({"weight_map":{"a":1}})", index + ": tensor a has no shard name"},
      {R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})",
       index + " names \"a\" twice"},
      {R"({"weight_map":{"a":"../one.safetensors"}})",
       index + ": the shard of tensor a \"../one.safetensors\" is not a file name; 1 to 255 of the "
               "characters A-Z a-z 0-9 . _ - are accepted, but not \".\" or \"..\""},
      {R"({"weight_map":{"a":"three.safetensors"}})",
       index + " names shard three.safetensors of tensor a, which does not exist"},
      {R"({"weight_map":{"b":"one.safetensors"}})",
       index + " places tensor b in one.safetensors, which does not hold it"},
  };
  for (const auto& [json, message] : cases) {
    Index(json);
    EXPECT_EQ(OpenMessage(), message);
  }
}

TEST_F(CheckpointTest, TruncatedFile) {
  const std::string source = "tests/data/models/llama-tiny/model.safetensors";
  std::string bytes = ReadFile(source).value();
  const size_t full = bytes.size();
  bytes.resize(full - 1);
  ASSERT_TRUE(WriteFileAtomically(Path("model.safetensors"), bytes).ok());
  EXPECT_THAT(OpenMessage(),
              testing::AllOf(HasSubstr(Path("model.safetensors") + " is truncated: tensor "),
                             HasSubstr(absl::StrCat(" needs bytes up to ", full)),
                             HasSubstr(absl::StrCat(", the file has ", full - 1))));
}

TEST_F(CheckpointTest, OpensTheTinyModel) {
  const auto checkpoint = Checkpoint::Open("tests/data/models/llama-tiny");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->total_bytes(), 2'001'152);  // 1,000,576 parameters of two bytes
}

}  // namespace
}  // namespace rondo
