#include "worker/artifact/exporter.h"

#include <ATen/ATen.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/format/safetensors_writer.h"
#include "common/io/sha256.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kModel[] = "tests/data/models/llama-tiny";

class ExporterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_exporter_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    checkpoint_ = Checkpoint::Open(kModel).value();
    layout_ = LayoutOf(ReadModelConfig(kModel).value()).value();
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // One plan a stage; two layers a stage when there are two.
  std::vector<ExportPlan> Plans(ExportFormat format, int stages) const {
    std::vector<ExportPlan> plans(stages);
    for (int stage = 0; stage < stages; ++stage) {
      ExportPlan& plan = plans[stage];
      plan.format = format;
      plan.grid = {.bits = 3, .group_size = 32, .symmetric = false};
      plan.model_dir = kModel;
      plan.out_dir = FormatDir(dir_, format);
      plan.stage = stage;
      plan.stages = stages;
      plan.first_layer = 4 * stage / stages;
      plan.end_layer = 4 * (stage + 1) / stages;
    }
    return plans;
  }

  std::vector<QuantizedLinear> Quantized(int64_t layer) const {
    std::vector<QuantizedLinear> linears;
    for (const LinearLayout& linear : layout_.linears) {
      const TensorView view =
          checkpoint_.Find(FullName(layout_, layer, linear.name) + ".weight").value();
      const at::Tensor weight = at::from_blob(const_cast<std::byte*>(view.data.data()),
                                              {linear.out, linear.in}, at::kHalf)
                                    .to(at::kFloat);
      GridOptions options;
      options.spec = {.bits = 3, .group_size = 32, .symmetric = false};
      options.scale_dtype = at::kHalf;
      linears.push_back(RoundToNearest(weight, options).value());
    }
    return linears;
  }

  absl::Status Export(const ExportPlan& plan) {
    ASSIGN_OR_RETURN(const auto exporter, MakeStageExporter(checkpoint_, layout_, plan));
    for (int64_t layer = plan.first_layer; layer < plan.end_layer; ++layer) {
      RETURN_IF_ERROR(exporter->WriteLayer(layer, Quantized(layer)));
    }
    return exporter->Finish();
  }

  absl::StatusOr<std::vector<ArtifactInfo>> Finish(const ExportPlan& plan) {
    return FinishFormat(checkpoint_, layout_, 4, plan);
  }

  static std::vector<std::string> NamesOf(const std::vector<ArtifactInfo>& artifacts) {
    std::vector<std::string> names;
    names.reserve(artifacts.size());
    for (const ArtifactInfo& artifact : artifacts) names.push_back(artifact.name);
    return names;
  }

  std::string dir_;
  Checkpoint checkpoint_;
  ModelLayout layout_;
};

TEST_F(ExporterTest, DenseInTwoStages) {
  const auto plans = Plans(ExportFormat::kDense, 2);
  for (const ExportPlan& plan : plans) ASSERT_TRUE(Export(plan).ok());
  const auto artifacts = Finish(plans[0]);
  ASSERT_TRUE(artifacts.ok()) << artifacts.status();
  EXPECT_THAT(NamesOf(*artifacts),
              ElementsAre("config.json", "generation_config.json", "manifest.json",
                          "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model.safetensors.index.json", "special_tokens_map.json",
                          "tokenizer.json", "tokenizer.model", "tokenizer_config.json"));
  EXPECT_EQ(ListFiles(plans[0].out_dir).value(), NamesOf(*artifacts));
  for (const ArtifactInfo& artifact : *artifacts) {
    const std::string path = JoinPath(plans[0].out_dir, artifact.name);
    EXPECT_EQ(artifact.bytes, FileSize(path).value());
    EXPECT_EQ(artifact.sha256, Sha256OfFile(path).value());
  }

  // The folder is a checkpoint of the same model, whose linear weights are the dequantized ones and
  // whose other tensors are untouched.
  const Checkpoint exported = Checkpoint::Open(plans[0].out_dir).value();
  ASSERT_TRUE(CheckLayout(exported, ReadModelConfig(plans[0].out_dir).value(), layout_).ok());
  EXPECT_EQ(exported.total_bytes(), checkpoint_.total_bytes());
  const auto quantized = Quantized(2);
  for (size_t i = 0; i < layout_.linears.size(); ++i) {
    const at::Tensor expected = Dequantize(quantized[i], at::kHalf).value();
    const TensorView stored =
        exported.Find(FullName(layout_, 2, layout_.linears[i].name) + ".weight").value();
    EXPECT_EQ(std::memcmp(expected.const_data_ptr(), stored.data.data(), stored.data.size()), 0);
  }
  for (const std::string name : {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                                 "model.layers.3.input_layernorm.weight"}) {
    EXPECT_TRUE(std::ranges::equal(exported.Find(name)->data, checkpoint_.Find(name)->data));
  }
}

TEST_F(ExporterTest, IndexAndManifestDescribeTheFolder) {
  const auto plans = Plans(ExportFormat::kCompressedTensors, 2);
  for (const ExportPlan& plan : plans) ASSERT_TRUE(Export(plan).ok());
  const auto artifacts = Finish(plans[0]).value();
  const std::string dir = plans[0].out_dir;
  EXPECT_EQ(dir, dir_ + "/compressed-tensors");
  const auto index =
      nlohmann::json::parse(ReadFile(JoinPath(dir, "model.safetensors.index.json")).value());
  const Checkpoint exported = Checkpoint::Open(dir).value();
  EXPECT_EQ(index["metadata"]["total_size"], exported.total_bytes());
  EXPECT_EQ(index["weight_map"].size(), exported.names().size());
  EXPECT_EQ(index["weight_map"]["model.layers.1.mlp.up_proj.weight_packed"],
            "model-00001-of-00002.safetensors");
  EXPECT_EQ(index["weight_map"]["model.layers.2.mlp.up_proj.weight_zero_point"],
            "model-00002-of-00002.safetensors");

  const auto manifest = nlohmann::json::parse(ReadFile(JoinPath(dir, "manifest.json")).value());
  EXPECT_EQ(manifest["format"], "compressed-tensors");
  ASSERT_EQ(manifest["files"].size(), artifacts.size() - 1);  // all but itself
  size_t next = 0;
  for (const ArtifactInfo& artifact : artifacts) {
    EXPECT_EQ(artifact.format, ExportFormat::kCompressedTensors);
    if (artifact.name == "manifest.json") continue;
    const auto& file = manifest["files"][next++];
    EXPECT_EQ(file["name"], artifact.name);
    EXPECT_EQ(file["bytes"], artifact.bytes);
    EXPECT_EQ(file["sha256"], artifact.sha256);
  }
  EXPECT_EQ(ReadModelConfig(dir).status().message(),
            dir +
                "/config.json: the model is already quantized (quant_method "
                "\"compressed-tensors\")");
}

TEST_F(ExporterTest, SameBitsOnAnyNumberOfStages) {
  const auto one = Plans(ExportFormat::kCompressedTensors, 1);
  ASSERT_TRUE(Export(one[0]).ok());
  const Checkpoint single =
      Checkpoint::OpenFile(JoinPath(one[0].out_dir, "model.safetensors")).value();
  const auto two = Plans(ExportFormat::kCompressedTensors, 2);
  for (const ExportPlan& plan : two) ASSERT_TRUE(Export(plan).ok());
  ASSERT_TRUE(Finish(two[0]).ok());
  std::vector<std::string> names;
  for (const char* shard :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const Checkpoint part = Checkpoint::OpenFile(JoinPath(two[0].out_dir, shard)).value();
    for (const std::string& name : part.names()) {
      EXPECT_TRUE(std::ranges::equal(part.Find(name)->data, single.Find(name)->data)) << name;
      names.push_back(name);
    }
  }
  std::ranges::sort(names);
  EXPECT_EQ(names, single.names());
  // The file of the other number of stages is gone.
  EXPECT_FALSE(FileExists(JoinPath(one[0].out_dir, "model.safetensors")));
}

TEST_F(ExporterTest, NothingHasItsFinalNameBeforeItIsComplete) {
  const auto plans = Plans(ExportFormat::kDense, 2);
  const std::string dir = plans[0].out_dir;
  {
    const auto exporter = MakeStageExporter(checkpoint_, layout_, plans[0]).value();
    ASSERT_TRUE(exporter->WriteLayer(0, Quantized(0)).ok());
    EXPECT_EQ(ListFiles(dir)->size(), 1u);
    EXPECT_FALSE(FileExists(dir + "/model-00001-of-00002.safetensors"));
    EXPECT_THAT(std::string(exporter->Finish().message()), HasSubstr("is not written"));
  }
  EXPECT_THAT(ListFiles(dir).value(), IsEmpty());

  // Left by a process that was killed; the next one takes the space back.
  const std::string left = dir + "/model-00001-of-00002.safetensors.0123abcd.partial";
  ASSERT_TRUE(WriteFileAtomically(left, "half a layer").ok());
  ASSERT_TRUE(Export(plans[0]).ok());
  EXPECT_THAT(ListFiles(dir).value(), ElementsAre("model-00001-of-00002.safetensors"));

  const absl::Status status = Finish(plans[0]).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("model-00002-of-00002.safetensors: No such file"));
  EXPECT_THAT(ListFiles(dir).value(), ElementsAre("model-00001-of-00002.safetensors"));
}

TEST_F(ExporterTest, AuditNamesTheTensor) {
  const auto plans = Plans(ExportFormat::kDense, 1);
  const std::string shard = plans[0].out_dir + "/model.safetensors";
  ASSERT_TRUE(MakeDirs(plans[0].out_dir).ok());
  const auto finish_with = [&](const auto& change) {
    std::vector<TensorInfo> tensors;
    for (const std::string& name : checkpoint_.names()) {
      tensors.push_back(checkpoint_.Find(name)->info);
    }
    change(&tensors);
    auto writer = SafetensorsWriter::Create(shard, tensors, {}).value();
    for (const TensorInfo& tensor : tensors) {
      EXPECT_TRUE(writer->Write(tensor.name, std::vector<std::byte>(tensor.bytes())).ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    return Finish(plans[0]).status();
  };
  EXPECT_EQ(finish_with([](auto* tensors) { tensors->erase(tensors->begin()); }),
            absl::InternalError("exported tensor lm_head.weight is in no shard"));
  EXPECT_EQ(finish_with([](auto* tensors) { (*tensors)[0].shape = {2}; }),
            absl::InternalError("exported tensor lm_head.weight has 4 bytes of F16 in "
                                "model.safetensors, not 262144 of F16"));
  EXPECT_EQ(
      finish_with([](auto* tensors) {
        tensors->push_back({"x", StorageType::kU8, {1}});
      }),
      absl::InternalError("exported tensor x in model.safetensors does not belong to the model"));
  EXPECT_FALSE(FileExists(plans[0].out_dir + "/manifest.json"));
  EXPECT_TRUE(finish_with([](auto*) {}).ok());
}

// A file whose every byte is as it was written, but not what the layer's integers are.
TEST_F(ExporterTest, VerifyComparesFileAndIntegers) {
  for (const ExportFormat format : {ExportFormat::kDense, ExportFormat::kCompressedTensors}) {
    const ExportPlan plan = Plans(format, 2)[1];
    const auto exporter = MakeStageExporter(checkpoint_, layout_, plan).value();
    ASSERT_TRUE(exporter->WriteLayer(2, Quantized(2)).ok());
    std::vector<QuantizedLinear> last = Quantized(3);
    ASSERT_TRUE(exporter->WriteLayer(3, last).ok());
    ASSERT_TRUE(exporter->Finish().ok());
    EXPECT_EQ(exporter->Verify(), absl::OkStatus());
    const std::string shard = plan.out_dir + "/model-00002-of-00002.safetensors";
    std::string bytes = ReadFile(shard).value();
    bytes[bytes.size() / 2] ^= 0x10;
    ASSERT_TRUE(WriteFileAtomically(shard, bytes).ok());
    EXPECT_THAT(std::string(exporter->Verify().message()), HasSubstr("as it was written"));
    bytes[bytes.size() / 2] ^= 0x10;
    ASSERT_TRUE(WriteFileAtomically(shard, bytes).ok());
    ASSERT_EQ(exporter->Verify(), absl::OkStatus());
    last[1].codes[3][5] = 7 - last[1].codes[3][5].item<int>();  // the memory that was given
    EXPECT_EQ(exporter->Verify(),
              absl::InternalError("read again, " + shard +
                                  " does not hold the integers of model.layers.3." +
                                  layout_.linears[1].name));
  }
}

TEST_F(ExporterTest, WrongLayers) {
  const auto exporter =
      MakeStageExporter(checkpoint_, layout_, Plans(ExportFormat::kDense, 2)[0]).value();
  EXPECT_EQ(exporter->WriteLayer(0, {}), absl::InternalError("layer 0 has 7 linear layers, got 0"));
  EXPECT_THAT(std::string(exporter->WriteLayer(2, Quantized(2)).message()),
              HasSubstr("tensor model.layers.2.self_attn.q_proj.weight is not declared"));
}

}  // namespace
}  // namespace rondo
