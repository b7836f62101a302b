#include "server/core/gang_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/core/testing.h"

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kMuch = int64_t{1} << 40;

class GangChoiceTest : public testing::Test {
 protected:
  // Workers a, b, ... with so much memory.
  static std::vector<WorkerInfo> Workers(const std::vector<int64_t>& memory_bytes) {
    std::vector<WorkerInfo> workers;
    for (const int64_t bytes : memory_bytes) {
      const std::string id(1, static_cast<char>('a' + workers.size()));
      workers.push_back({WorkerId(id), "host-" + id, "0.1", "cpu", bytes, 1, true});
    }
    return workers;
  }
  GangChoice Choose(int wanted, const std::vector<int64_t>& memory_bytes) {
    JobSpec spec = TinySpec(wanted);
    std::get<GptqSettings>(spec.method).propagate = Propagate::kFullPrecision;  // layers are held
    if (!facts_) facts_ = *CheckSpec(spec);
    return ChooseGang(spec, *facts_, Workers(memory_bytes));
  }
  static std::string Names(const GangChoice& choice) {
    std::string names;
    for (const WorkerInfo& worker : choice.workers) names += worker.id.value();
    return names;
  }
  // Of the largest of so many stages.
  int64_t Needed(int stages) {
    return Choose(stages, std::vector<int64_t>(stages, kMuch)).memory_bytes;
  }

  std::optional<ModelFacts> facts_;
};

TEST_F(GangChoiceTest, TheFirstWhereAllHaveRoom) {
  const GangChoice choice = Choose(2, {kMuch, kMuch, kMuch});
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(Names(choice), "ab");
  EXPECT_EQ(Names(Choose(0, {kMuch, kMuch, kMuch})), "abc");
}

TEST_F(GangChoiceTest, OnlyWorkersWithRoom) {
  const int64_t needed = Needed(2);
  EXPECT_EQ(Names(Choose(2, {1, needed, needed})), "bc");
  EXPECT_EQ(Names(Choose(2, {needed, 1, 0})), "ac");  // c does not know its memory
  // The roomy one is left alone where others will do.
  EXPECT_EQ(Names(Choose(1, {Needed(1), kMuch})), "a");
}

TEST_F(GangChoiceTest, AnyNumberLeavesOutThoseWithoutRoom) {
  EXPECT_EQ(Names(Choose(0, {kMuch, 1, kMuch, 1})), "ac");
  // More stages need less memory each.
  const int64_t needed = Needed(4);
  ASSERT_LT(needed, Needed(2));
  EXPECT_EQ(Names(Choose(0, {needed, needed, needed, needed})), "abcd");
  EXPECT_FALSE(Choose(0, {needed, needed}).fits);
}

TEST_F(GangChoiceTest, SaysWhyNot) {
  const GangChoice choice = Choose(2, {kMuch, int64_t{1} << 20});
  EXPECT_FALSE(choice.fits);
  EXPECT_THAT(choice.why_not, HasSubstr("but cpu of worker b has 0.0 GiB"));
  EXPECT_FALSE(Choose(2, {kMuch}).fits);
  EXPECT_THAT(Choose(2, {}).workers, IsEmpty());
}

}  // namespace
}  // namespace rondo
