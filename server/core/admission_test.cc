#include "server/core/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/ids.h"
#include "server/core/testing.h"

namespace rondo {
namespace {

class AdmissionTest : public testing::Test {
 public:
  AdmissionTest() : dir_(testing::TempDir() + "/admission-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

 protected:
  // The tiny model as a teacher, with another text for one of its files.
  std::string Teacher(const std::string& file, const std::string& contents) {
    std::string path = dir_ + "/teacher";
    std::filesystem::remove_all(path);
    std::filesystem::copy(kTinyModel, path);
    if (!file.empty()) std::ofstream(path + "/" + file) << contents;
    return path;
  }
  static JobSpec Distil(const std::string& teacher) {
    JobSpec spec = TinySpec(1);
    LearnedRoundingSettings learned;
    learned.training.teacher.path = teacher;
    spec.method = learned;
    return spec;
  }
  static std::string Replaced(const std::string& file, const std::string& from,
                              const std::string& to) {
    std::ifstream stream(std::string(kTinyModel) + "/" + file);
    std::string text(std::istreambuf_iterator<char>(stream), {});
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  }

  std::string File(const std::string& name, const std::string& contents) {
    std::ofstream(dir_ + "/" + name) << contents;
    return dir_ + "/" + name;
  }

  std::string dir_;
};

TEST_F(AdmissionTest, ReadsTheModel) {
  const auto facts = CheckSpec(TinySpec(1));
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->config.model_type, "llama");
  const int64_t linear_bytes =
      facts->config.num_layers * facts->layout.LinearWeightsPerLayer() * facts->bytes_per_weight;
  EXPECT_EQ(facts->other_tensor_bytes + linear_bytes, facts->checkpoint_bytes);
}

TEST_F(AdmissionTest, RefusesValuesBeforeFiles) {
  JobSpec spec = TinySpec(1);
  spec.grid.bits = 5;
  spec.model.path = "/nowhere";
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError("grid.bits is 5; it must be 2, 3, 4 or 8"));
}

TEST_F(AdmissionTest, RefusesWhatDoesNotFitTheModel) {
  JobSpec spec = TinySpec(100);
  const ModelFacts facts = *CheckSpec(TinySpec(1));
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError(
                absl::StrCat("workers is 100, but the model has ", facts.config.num_layers,
                             " decoder layers; give at most one worker a layer")));
  spec = TinySpec(1);
  spec.grid.group_size = 48;
  EXPECT_EQ(CheckSpec(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AdmissionTest, NamesMissingFiles) {
  JobSpec spec = TinySpec(1);
  spec.model.path = "/nowhere";
  EXPECT_EQ(CheckSpec(spec).status(), absl::NotFoundError("model folder /nowhere does not exist"));
  spec = TinySpec(1);
  spec.calibration.path = "/nowhere.txt";
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::NotFoundError("calibration file /nowhere.txt does not exist"));
  spec = TinySpec(1);
  spec.evaluation.sets = {{"wiki", "/nowhere.npy"}};
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::NotFoundError("evaluation file /nowhere.npy does not exist"));
}

TEST_F(AdmissionTest, CountsTokensWhereItCan) {
  JobSpec spec = TinySpec(1);
  spec.calibration.path = File("empty.txt", "");
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError("calibration text " + spec.calibration.path + " is empty"));
  spec.calibration.path = File("short.txt", "hello");
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError("calibration text " + spec.calibration.path +
                                       " holds at most 5 tokens; samples x seq_len (4 x 32) needs "
                                       "128"));
  // Version 1.0, a header of 118 bytes, 10 ids.
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (10,), }";
  header.resize(117, ' ');
  header += '\n';
  const std::string npy =
      std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + std::string(40, '\0');
  spec.calibration.path = File("ids.npy", npy);
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError("calibration data " + spec.calibration.path +
                                       " holds 10 tokens; samples x seq_len (4 x 32) needs 128"));
  spec = TinySpec(1);
  spec.evaluation = {{{"ten", File("ids.npy", npy)}}, 5, 0, true};
  EXPECT_THAT(CheckSpec(spec)->evaluation_windows, testing::ElementsAre(2));
  spec.evaluation.windows = 3;
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError("evaluation data " + spec.evaluation.sets[0].path +
                                       " holds 10 tokens; windows x seq_len (3 x 5) needs 15"));
}

TEST_F(AdmissionTest, ATeacherHasTheModelsVocabulary) {
  EXPECT_TRUE(CheckSpec(Distil("")).ok());
  const std::string same = Teacher("", "");
  EXPECT_TRUE(CheckSpec(Distil(same)).ok()) << CheckSpec(Distil(same)).status();
  EXPECT_EQ(CheckSpec(Distil("/nowhere")).status(),
            absl::NotFoundError("teacher folder /nowhere does not exist"));

  const std::string other =
      Teacher("tokenizer.json", Replaced("tokenizer.json", "\"<unk>\"", "\"<unknown>\""));
  EXPECT_EQ(CheckSpec(Distil(other)).status(),
            absl::InvalidArgumentError(
                "the teacher's " + other +
                "/tokenizer.json has another vocabulary: \"<unknown>\" is token 0 there and not a "
                "token in the model's"));
  const std::string bad = Teacher("tokenizer.json", "{}");
  EXPECT_EQ(CheckSpec(Distil(bad)).status(),
            absl::InvalidArgumentError(bad + "/tokenizer.json holds no vocabulary in model.vocab"));
}

// Only its size can be seen here; a rank reads it.
TEST_F(AdmissionTest, ATorchModelIsMeasuredByItsFile) {
  const std::string model = Teacher("pytorch_model.bin", "PK\x03\x04");
  std::filesystem::remove(model + "/model.safetensors");
  const std::string file = model + "/pytorch_model.bin";
  JobSpec spec = TinySpec(1);
  const ModelFacts stored = CheckSpec(spec).value();
  spec.model.path = model;

  std::filesystem::resize_file(file, 2'001'152 + 5000);
  auto facts = CheckSpec(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->bytes_per_weight, 2);
  EXPECT_EQ(facts->other_tensor_bytes, stored.other_tensor_bytes);
  EXPECT_EQ(facts->checkpoint_bytes, 2'006'152);
  EXPECT_TRUE(CheckSpec(Distil(model)).ok());

  std::filesystem::resize_file(file, uintmax_t{2} * 2'001'152);
  EXPECT_EQ(CheckSpec(spec)->bytes_per_weight, 4);

  std::filesystem::resize_file(file, 2'001'151);
  EXPECT_EQ(CheckSpec(spec).status(),
            absl::InvalidArgumentError(file + " leads to 2001151 bytes; the 1000576 weights that "
                                              "config.json asks for take at least 2001152"));
}

TEST_F(AdmissionTest, ATeacherWithFewerTokensIsRefused) {
  const std::string path =
      Teacher("config.json", Replaced("config.json", "\"vocab_size\": 1024", "\"vocab_size\": 8"));
  EXPECT_EQ(CheckSpec(Distil(path)).status(),
            absl::InvalidArgumentError("the teacher in " + path +
                                       " has a vocabulary of 8 tokens, the model of 1024; "
                                       "a teacher must have the model's"));
}

}  // namespace
}  // namespace rondo
