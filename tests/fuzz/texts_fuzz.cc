// Small readers of files and texts from outside; the first byte chooses, '0' to '4'.
#include <numeric>
#include <vector>

#include "common/domain/overrides.h"
#include "common/domain/s3_uri.h"
#include "common/format/data_path.h"
#include "common/format/npy.h"
#include "common/io/file.h"
#include "server/security/principals.h"
#include "tests/fuzz/target.h"
#include "worker/text/json_lines.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

void ReadNpy(std::string_view bytes) {
  static const FuzzDir dir;
  const std::string path = dir.Write("tokens.npy", bytes) + "/tokens.npy";
  const auto array = ReadTokensNpy(path);
  const auto count = CountTokensNpy(path);
  if (!array.ok()) return;
  const auto held = static_cast<int64_t>(array->ids.size());
  Require(count.ok() && *count == held, "the header alone says how many there are");
  Require(std::accumulate(array->shape.begin(), array->shape.end(), int64_t{1},
                          std::multiplies<>()) == held,
          "the shape holds them");
}

void ReadJsonLines(std::string_view bytes) {
  const auto text = JoinJsonLines(bytes, "text");
  if (text.ok()) Require(CheckUtf8(*text).ok(), "texts are UTF-8");
}

void ReadPrincipals(std::string_view bytes) {
  const auto principals = Principals::Parse(bytes, "F");
  if (!principals.ok()) return;
  Require(principals->has_tokens() || principals->has_certificates(), "somebody is named");
  Require(!principals->OfToken(bytes), "nobody's token is the file itself");
}

// By all prefixes of both, in as many steps as their lengths' product.
bool MatchesByTable(std::string_view pattern, std::string_view name) {
  std::vector<bool> row(name.size() + 1);  // which prefixes of the name match the pattern so far
  row[0] = true;
  for (const char p : pattern) {
    std::vector<bool> next(name.size() + 1);
    for (size_t n = 0; n <= name.size(); ++n) {
      if (p == '*') {
        next[n] = row[n] || (n > 0 && next[n - 1]);
      } else {
        next[n] = n > 0 && row[n - 1] && (p == '?' || p == name[n - 1]);
      }
    }
    row = next;
  }
  return row[name.size()];
}

// A pattern and, in the next line, a name.
void MatchPattern(std::string_view bytes) {
  bytes = bytes.substr(0, 512);
  const std::string_view pattern = bytes.substr(0, bytes.find('\n'));
  const std::string_view name = bytes.substr(std::min(bytes.size(), pattern.size() + 1));
  Require(MatchesPattern(std::string(pattern), std::string(name)) == MatchesByTable(pattern, name),
          "it matches as the table says");
}

void ReadPath(const std::string& path) {
  if (ValidateFileName("file", path).ok()) {
    Require(std::filesystem::path(path).filename() == path && path != "." && path != "..",
            "a name stays where it is");
  }
  const DataPath data = ParseDataPath(path);
  Require(path.starts_with(data.file), "the file is a part of it");
  Require((data.kind == DataKind::kJsonLines) == !data.field.empty(), "JSON lines have a field");
  const auto uri = ParseS3Uri("path", path);
  if (!uri.ok()) return;
  const auto again = ParseS3Uri("path", uri->name());
  Require(again.ok() && again->name() == uri->name(), "its name says the same");
  for (const auto& segment : std::filesystem::path(uri->key)) {
    Require(segment != "..", "a key leads nowhere else");
  }
}

void ReadOne(uint8_t kind, std::string_view bytes) {
  switch (static_cast<uint8_t>(kind - '0') % 5) {
    case 0: return ReadNpy(bytes);
    case 1: return ReadJsonLines(bytes);
    case 2: return ReadPrincipals(bytes);
    case 3: return MatchPattern(bytes);
    case 4: return ReadPath(std::string(bytes));
  }
}

}  // namespace
}  // namespace rondo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) rondo::ReadOne(data[0], rondo::AsText(data + 1, size - 1));
  return 0;
}
