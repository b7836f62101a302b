// What the path of calibration or evaluation data names. Pure.
#pragma once

#include <string>

namespace rondo {

enum class DataKind { kText, kTokens, kJsonLines };

struct DataPath {
  DataKind kind = DataKind::kText;
  std::string file;
  std::string field;  // kJsonLines: whose texts of each line are taken
};

// FILE.npy: token ids. FILE.jsonl or FILE.jsonl:FIELD (default "text"): JSON lines. Else: text.
DataPath ParseDataPath(const std::string& path);

}  // namespace rondo
