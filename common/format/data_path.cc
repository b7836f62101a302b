#include "common/format/data_path.h"

namespace rondo {

DataPath ParseDataPath(const std::string& path) {
  constexpr char kJsonLines[] = ".jsonl";
  constexpr char kWithField[] = ".jsonl:";
  if (path.ends_with(".npy")) return {DataKind::kTokens, path, ""};
  if (path.ends_with(kJsonLines)) return {DataKind::kJsonLines, path, "text"};
  const size_t at = path.rfind(kWithField);
  const size_t field = at + sizeof(kWithField) - 1;
  if (at == std::string::npos || field == path.size()) return {DataKind::kText, path, ""};
  return {DataKind::kJsonLines, path.substr(0, field - 1), path.substr(field)};
}

}  // namespace rondo
