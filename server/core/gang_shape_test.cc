#include "server/core/gang_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::Pair;

JobSpec Learned(int64_t batch, int replicas, int workers = 0) {
  JobSpec spec;
  LearnedRoundingSettings learned;
  learned.training.batch = batch;
  learned.training.replicas = replicas;
  spec.method = learned;
  spec.workers = workers;
  return spec;
}

JobSpec OneCodebook(int64_t batch) {
  JobSpec spec = Learned(batch, 0);
  auto& learned = std::get<LearnedRoundingSettings>(spec.method);
  learned.parameters = CodebookSettings{.scope = CodebookScope::kModel};
  return spec;
}

ModelConfig Layers(int64_t layers) {
  ModelConfig config;
  config.num_layers = layers;
  return config;
}

// {stages, replicas}, ...
std::vector<std::pair<int, int>> Shapes(const JobSpec& spec, int64_t layers, int ranks) {
  const auto shapes = ShapesOf(spec, Layers(layers), ranks);
  EXPECT_TRUE(shapes.ok()) << shapes.status();
  std::vector<std::pair<int, int>> pairs;
  for (const GangShape& shape : *shapes) pairs.emplace_back(shape.stages, shape.replicas);
  return pairs;
}

TEST(GangShapeTest, OnlyTrainingHasReplicas) {
  EXPECT_THAT(Shapes(JobSpec{}, 30, 4), ElementsAre(Pair(4, 1)));
  EXPECT_THAT(Shapes(Learned(1, 0), 30, 4), ElementsAre(Pair(4, 1)));
}

TEST(GangShapeTest, ReplicasDivideTheWorkersAndAreAtMostTheBatch) {
  EXPECT_THAT(Shapes(Learned(4, 0), 30, 4), ElementsAre(Pair(1, 4), Pair(2, 2), Pair(4, 1)));
  EXPECT_THAT(Shapes(Learned(3, 0), 30, 4), ElementsAre(Pair(2, 2), Pair(4, 1)));
  EXPECT_THAT(Shapes(Learned(8, 2), 30, 4), ElementsAre(Pair(2, 2)));
  EXPECT_THAT(Shapes(Learned(4, 0), 2, 4), ElementsAre(Pair(1, 4), Pair(2, 2)));
}

TEST(GangShapeTest, SaysWhyThereIsNone) {
  EXPECT_EQ(ShapesOf(JobSpec{}, Layers(4), 5).status(),
            absl::InvalidArgumentError("workers is 5, but the model has 4 decoder layers; give at "
                                       "most one worker a layer"));
  EXPECT_EQ(ShapesOf(Learned(2, 0), Layers(4), 7).status(),
            absl::InvalidArgumentError(
                "workers is 7, but the model has 4 decoder layers for stages, and at most 2 "
                "replicas; give a number of workers that is a product of the two"));
  EXPECT_EQ(ShapesOf(OneCodebook(1), Layers(4), 2).status(),
            absl::UnimplementedError(
                "codebook.scope model needs all decoder layers on one stage so far, and 2 workers "
                "with at most 1 replicas would make more; give as many workers as "
                "training.replicas"));
}

TEST(GangShapeTest, TakesAsManyWorkersAsTheJobCanUse) {
  EXPECT_EQ(RanksFor(JobSpec{}, Layers(4), 9), 4);
  EXPECT_EQ(RanksFor(JobSpec{}, Layers(4), 0), 1);
  EXPECT_EQ(RanksFor(Learned(2, 0), Layers(4), 9), 8);
  EXPECT_EQ(RanksFor(Learned(2, 0), Layers(4), 7), 6);  // 3 x 2; 7 is a prime
  EXPECT_EQ(RanksFor(Learned(2, 2), Layers(4), 1), 2);
  EXPECT_EQ(RanksFor(OneCodebook(3), Layers(4), 9), 3);
  EXPECT_EQ(RanksFor(Learned(1, 0, 2), Layers(4), 9), 2);
  EXPECT_EQ(FewestRanks(JobSpec{}), 1);
  EXPECT_EQ(FewestRanks(Learned(8, 4)), 4);
}

}  // namespace
}  // namespace rondo
