#include "common/format/data_path.h"

#include <gtest/gtest.h>

namespace rondo {
namespace {

void ExpectParsed(const std::string& path, DataKind kind, const std::string& file,
                  const std::string& field) {
  const DataPath data = ParseDataPath(path);
  EXPECT_EQ(data.kind, kind) << path;
  EXPECT_EQ(data.file, file);
  EXPECT_EQ(data.field, field);
}

TEST(DataPathTest, TheNameSaysWhatItIs) {
  ExpectParsed("d/a.npy", DataKind::kTokens, "d/a.npy", "");
  ExpectParsed("d/a.txt", DataKind::kText, "d/a.txt", "");
  ExpectParsed("d/a.jsonl", DataKind::kJsonLines, "d/a.jsonl", "text");
  ExpectParsed("d/a.jsonl:page", DataKind::kJsonLines, "d/a.jsonl", "page");
  ExpectParsed("d.jsonl:x/a.jsonl:p:q", DataKind::kJsonLines, "d.jsonl:x/a.jsonl", "p:q");
  ExpectParsed("a.jsonl:", DataKind::kText, "a.jsonl:", "");
  ExpectParsed("a:b.txt", DataKind::kText, "a:b.txt", "");
}

}  // namespace
}  // namespace rondo
