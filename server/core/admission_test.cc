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
 protected:
  AdmissionTest() : dir_(testing::TempDir() + "/admission-" + RandomHexId()) {
    std::filesystem::create_directories(dir_);
  }
  ~AdmissionTest() override { std::filesystem::remove_all(dir_); }

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

}  // namespace
}  // namespace rondo
