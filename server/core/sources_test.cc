#include "server/core/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/core/testing.h"

namespace rondo {
namespace {

JobSpec RemoteSpec() {
  JobSpec spec = TinySpec(1);
  spec.model.path = "s3://models/llama/";
  spec.calibration.path = "s3://data/c4.jsonl:body";
  spec.evaluation.sets = {{"wiki", "s3://data/wiki.txt"},
                          {"same", "s3://data/c4.jsonl:title"},
                          {"ids", "s3://data/ids.npy"},
                          {"local", "/data/ptb.txt"}};
  LearnedRoundingSettings learned;
  learned.training.teacher.path = "s3://models/llama";
  spec.method = learned;
  return spec;
}

TEST(Sources, AreNamedOnce) {
  std::vector<std::string> found;
  for (const RemoteSource& source : RemoteSources(RemoteSpec())) {
    found.push_back(source.uri.name() + " " + source.local_name);
    EXPECT_EQ(source.folder, source.local_name.empty());
  }
  EXPECT_THAT(found,
              testing::ElementsAre("s3://models/llama ", "s3://data/c4.jsonl data.jsonl",
                                   "s3://data/wiki.txt data.txt", "s3://data/ids.npy data.npy"));
  EXPECT_TRUE(RemoteSources(TinySpec(1)).empty());
}

TEST(Sources, WhatTheMethodDoesNotReadIsNone) {
  JobSpec spec = TinySpec(1);
  spec.method = RtnSettings{};
  spec.calibration.path = "s3://data/c4.txt";
  EXPECT_TRUE(RemoteSources(spec).empty());
}

TEST(Sources, LocalPathsReplaceThem) {
  const LocalPaths paths = {{"s3://models/llama", "/d/1"},
                            {"s3://data/c4.jsonl", "/d/2/data.jsonl"},
                            {"s3://data/wiki.txt", "/d/3/data.txt"},
                            {"s3://data/ids.npy", "/d/4/data.npy"}};
  const JobSpec spec = WithLocalPaths(RemoteSpec(), paths);
  EXPECT_EQ(spec.model.path, "/d/1");
  EXPECT_EQ(std::get<LearnedRoundingSettings>(spec.method).training.teacher.path, "/d/1");
  EXPECT_EQ(spec.calibration.path, "/d/2/data.jsonl:body");
  EXPECT_EQ(spec.evaluation.sets[0].path, "/d/3/data.txt");
  EXPECT_EQ(spec.evaluation.sets[1].path, "/d/2/data.jsonl:title");
  EXPECT_EQ(spec.evaluation.sets[3].path, "/data/ptb.txt");
  EXPECT_TRUE(RemoteSources(spec).empty());
  EXPECT_EQ(NameSources(absl::NotFoundError("/d/1/a is no /d/2/data.jsonl:body"), paths),
            absl::NotFoundError("s3://models/llama/a is no s3://data/c4.jsonl:body"));
}

}  // namespace
}  // namespace rondo
