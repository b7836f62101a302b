#include "worker/train/teacher_cache.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

class TeacherCacheTest : public ::testing::Test {
 protected:
  TeacherCacheTest() {
    std::string pattern = ::testing::TempDir() + "/rondo_teacher_XXXXXX";
    root_ = mkdtemp(pattern.data());
    dir_ = JoinPath(root_, "caches");
    at::manual_seed(1);
    hidden_ = at::randn({3, 5, 7});
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Fill(const TeacherShape& shape) const {
    auto writer = CreateTeacherCache(dir_, "k", shape);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (int64_t window : {2, 0, 1}) ASSERT_TRUE((*writer)->Put(window, hidden_[window]).ok());
    EXPECT_TRUE(absl::IsNotFound(OpenTeacherCache(dir_, "k", shape).status()));
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  std::string path() const { return JoinPath(dir_, "teacher-k.safetensors"); }

  std::string root_;
  std::string dir_;
  at::Tensor hidden_;  // [3, 5, 7]
};

constexpr TeacherShape kShape = {3, 5, 7, at::kBFloat16, 0};

TEST_F(TeacherCacheTest, WindowsComeBackWithoutACopy) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    TeacherShape shape = kShape;
    shape.dtype = dtype;
    Fill(shape);
    const auto cache = OpenTeacherCache(dir_, "k", shape);
    ASSERT_TRUE(cache.ok()) << cache.status();
    for (int64_t window : {0, 1, 2}) {
      EXPECT_TRUE(at::equal((*cache)->Window(window), hidden_[window].to(dtype)));
    }
    EXPECT_EQ((*cache)->Window(1).const_data_ptr(), (*cache)->Window(1).const_data_ptr());
    EXPECT_EQ((*cache)->shape().width, 7);
    ASSERT_TRUE(RemoveFile(path()).ok());
    EXPECT_TRUE(at::equal((*cache)->Window(2), hidden_[2].to(dtype)));
  }
}

TEST_F(TeacherCacheTest, EveryChangedByteIsFound) {
  Fill(kShape);
  const std::string whole = ReadFile(path()).value();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    std::ofstream(path(), std::ios::binary) << changed;
    const absl::Status status = OpenTeacherCache(dir_, "k", kShape).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << i << ": " << status;
  }
  ASSERT_TRUE(WriteFileAtomically(path(), whole.substr(0, whole.size() - 1)).ok());
  const absl::Status status = OpenTeacherCache(dir_, "k", kShape).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path() + " is not whole: "));
}

TEST_F(TeacherCacheTest, AnotherKeyOrShapeIsDataLoss) {
  Fill(kShape);
  TeacherShape other = kShape;
  other.windows = 2;
  EXPECT_TRUE(absl::IsDataLoss(OpenTeacherCache(dir_, "k", other).status()));
  other = kShape;
  other.dtype = at::kFloat;
  EXPECT_TRUE(absl::IsDataLoss(OpenTeacherCache(dir_, "k", other).status()));
  EXPECT_TRUE(absl::IsNotFound(OpenTeacherCache(dir_, "l", kShape).status()));
  std::filesystem::rename(path(), JoinPath(dir_, "teacher-l.safetensors"));
  EXPECT_TRUE(absl::IsDataLoss(OpenTeacherCache(dir_, "l", kShape).status()));
}

TEST_F(TeacherCacheTest, WriterRefusesWhatDoesNotFit) {
  const auto writer = CreateTeacherCache(dir_, "k", kShape);
  ASSERT_TRUE(writer.ok()) << writer.status();
  const auto refused = [](const absl::Status& status) { return absl::IsInvalidArgument(status); };
  EXPECT_TRUE(refused((*writer)->Put(3, hidden_[0])));
  EXPECT_TRUE(refused((*writer)->Put(-1, hidden_[0])));
  EXPECT_TRUE(refused((*writer)->Put(0, hidden_[0].t())));
  EXPECT_TRUE(refused((*writer)->PutTopK(0, {})));
  ASSERT_TRUE((*writer)->Put(0, hidden_[0]).ok());
  EXPECT_TRUE(refused((*writer)->Put(0, hidden_[0])));
  EXPECT_TRUE(refused((*writer)->Finish()));  // two windows are missing
  EXPECT_FALSE(FileExists(path()));
  TeacherShape half = kShape;
  half.dtype = at::kHalf;
  EXPECT_TRUE(refused(CreateTeacherCache(dir_, "k", half).status()));
}

TEST_F(TeacherCacheTest, WritersOfTheSameKeyDoNotDisturbEachOther) {
  const auto one = CreateTeacherCache(dir_, "k", kShape);
  Fill(kShape);
  const auto cache = OpenTeacherCache(dir_, "k", kShape);
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (int64_t window : {0, 1, 2}) ASSERT_TRUE((*one)->Put(window, -hidden_[window]).ok());
  ASSERT_TRUE((*one)->Finish().ok());
  EXPECT_TRUE(at::equal((*cache)->Window(0), hidden_[0].to(at::kBFloat16)));
  EXPECT_TRUE(
      at::equal((*OpenTeacherCache(dir_, "k", kShape))->Window(0), -hidden_[0].to(at::kBFloat16)));
}

TEST_F(TeacherCacheTest, TopKComesBack) {
  const TeacherShape shape = {3, 5, 7, at::kBFloat16, 4};
  auto writer = CreateTeacherCache(dir_, "k", shape);
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<TopK> saved;
  for (int64_t window : {0, 1, 2}) {
    saved.push_back(MakeTopK(hidden_[window], 2, 4));
    ASSERT_TRUE((*writer)->PutTopK(window, saved.back()).ok());
  }
  EXPECT_TRUE(absl::IsInvalidArgument((*writer)->Put(0, hidden_[0])));
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto cache = OpenTeacherCache(dir_, "k", shape);
  ASSERT_TRUE(cache.ok()) << cache.status();
  for (int64_t window : {0, 1, 2}) {
    const TopK got = (*cache)->TopKOf(window);
    EXPECT_TRUE(at::equal(got.ids, saved[window].ids));
    EXPECT_TRUE(at::equal(got.log_prob, saved[window].log_prob));
    EXPECT_TRUE(at::equal(got.tail, saved[window].tail));
  }
}

TEST_F(TeacherCacheTest, TheKeyIsOfContent) {
  const auto make_model = [&](const std::string& name, const std::string& file) {
    std::string dir = JoinPath(root_, name);
    EXPECT_TRUE(MakeDirs(dir).ok());
    EXPECT_TRUE(WriteFileAtomically(JoinPath(dir, "config.json"), "{}").ok());
    const std::string header = std::string("\x02\0\0\0\0\0\0\0{}", 10);
    EXPECT_TRUE(WriteFileAtomically(JoinPath(dir, file), header + "data").ok());
    return dir;
  };
  const std::string one = make_model("one", "model.safetensors");
  const std::string two = make_model("two", "other.safetensors");
  const auto time = std::filesystem::last_write_time(JoinPath(one, "model.safetensors"));
  std::filesystem::last_write_time(JoinPath(two, "other.safetensors"), time);
  const at::Tensor tokens = at::arange(15).view({3, 5});
  const auto key = [&](const std::string& dir, const at::Tensor& t, const TeacherShape& shape,
                       double temperature) {
    const auto k = TeacherKey(dir, t, shape, temperature);
    EXPECT_TRUE(k.ok()) << k.status();
    return *k;
  };
  const std::string want = key(one, tokens, kShape, 1);
  EXPECT_EQ(want.size(), 64u);
  EXPECT_EQ(key(two, tokens.to(at::kInt), kShape, 1), want);
  EXPECT_NE(key(one, tokens + 1, kShape, 1), want);
  EXPECT_NE(key(one, tokens, kShape, 2), want);
  TeacherShape other = kShape;
  other.top_k = 4;
  EXPECT_NE(key(one, tokens, other, 1), want);
  std::filesystem::last_write_time(JoinPath(two, "other.safetensors"),
                                   time + std::chrono::seconds(1));
  EXPECT_NE(key(two, tokens, kShape, 1), want);
  std::filesystem::last_write_time(JoinPath(two, "other.safetensors"), time);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(two, "config.json"), "{ }").ok());
  EXPECT_NE(key(two, tokens, kShape, 1), want);
  EXPECT_TRUE(absl::IsNotFound(TeacherKey(dir_, tokens, kShape, 1).status()));
}

TEST_F(TeacherCacheTest, TheKeyIsAlsoOfPyTorchsFiles) {
  ASSERT_TRUE(MakeDirs(dir_).ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(dir_, "config.json"), "{}").ok());
  const std::string weights = JoinPath(dir_, "pytorch_model.bin");
  const at::Tensor tokens = at::arange(15).view({3, 5});
  ASSERT_TRUE(WriteFileAtomically(weights, "tensors, CRC 1").ok());
  const auto time = std::filesystem::last_write_time(weights);
  const std::string one = *TeacherKey(dir_, tokens, kShape, 1);
  ASSERT_TRUE(WriteFileAtomically(weights, "tensors, CRC 2").ok());
  std::filesystem::last_write_time(weights, time);
  EXPECT_NE(*TeacherKey(dir_, tokens, kShape, 1), one);
}

TEST_F(TeacherCacheTest, OthersMakeRoomForIt) {
  Fill(kShape);
  const auto cache = OpenTeacherCache(dir_, "k", kShape);
  const int64_t bytes = FileSize(path()).value();
  const auto create = [&](int64_t quota) {
    return CreateTeacherCache(dir_, "next", kShape, quota).status();
  };
  EXPECT_TRUE(create(2 * bytes).ok());
  EXPECT_TRUE(FileExists(path()));
  EXPECT_TRUE(create(bytes).ok());
  EXPECT_FALSE(FileExists(path()));
  EXPECT_TRUE(at::equal((*cache)->Window(2), hidden_[2].to(at::kBFloat16)));  // it is mapped
  EXPECT_TRUE(absl::IsResourceExhausted(create(100)));
}

TEST(TopKTest, KeepsAllOfASmallVocabulary) {
  at::manual_seed(2);
  const at::Tensor teacher = at::randn({300, 12}) * 3, student = teacher + at::randn({300, 12});
  const TopK top = MakeTopK(teacher, 2, 12);
  EXPECT_TRUE(at::equal(top.tail, at::zeros({300})));
  at::Tensor gradient;
  const double loss = TopKDivergence(student, top, 2, &gradient);
  const at::Tensor p = at::softmax(teacher / 2, 1), q = at::softmax(student / 2, 1);
  const double want = 4 * (p * (p.log() - q.log())).sum().item<double>();
  EXPECT_NEAR(loss, want, 1e-4 * want);
  EXPECT_TRUE(at::allclose(gradient, 2 * (q - p), 1e-4, 1e-6));
}

TEST(TopKTest, GradientIsTheDerivative) {
  at::manual_seed(3);
  const TopK top = MakeTopK(at::randn({4, 30}) * 3, 1.5, 5);
  const at::Tensor student = at::randn({4, 30});
  at::Tensor gradient, unused;
  TopKDivergence(student, top, 1.5, &gradient);
  EXPECT_EQ(gradient.scalar_type(), at::kFloat);
  const float step = 1e-2f;
  for (int64_t id : {0, 7, 29}) {
    at::Tensor up = student.clone(), down = student.clone();
    up[2][id] += step;
    down[2][id] -= step;
    const double slope =
        (TopKDivergence(up, top, 1.5, &unused) - TopKDivergence(down, top, 1.5, &unused)) /
        (2 * step);
    EXPECT_NEAR(gradient[2][id].item<double>(), slope, 2e-3);
  }
}

}  // namespace
}  // namespace rondo
