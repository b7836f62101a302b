#include "common/domain/overrides.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rondo {

// On a mismatch the last '*' takes one character more, so the work is at most the product of the
// lengths.
bool MatchesPattern(const std::string& pattern, const std::string& name) {
  size_t p = 0, n = 0;
  size_t after_star = std::string::npos, retry = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      retry = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (after_star != std::string::npos) {
      p = after_star;
      n = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

const LayerOverride* OverrideOf(const std::vector<LayerOverride>& overrides,
                                const std::string& name) {
  const auto last = std::find_if(overrides.rbegin(), overrides.rend(), [&](const LayerOverride& o) {
    return MatchesPattern(o.pattern, name);
  });
  return last == overrides.rend() ? nullptr : &*last;
}

LayerSettings SettingsOf(const GridSpec& grid, const std::vector<LayerOverride>& overrides,
                         const std::string& name) {
  LayerSettings settings;
  settings.grid = grid;
  const LayerOverride* change = OverrideOf(overrides, name);
  if (change == nullptr) return settings;
  settings.skip = change->skip;
  settings.grid.bits = change->bits.value_or(grid.bits);
  settings.grid.group_size = change->group_size.value_or(grid.group_size);
  settings.method = change->method;
  return settings;
}

std::vector<int64_t> CountMatches(const std::vector<LayerOverride>& overrides,
                                  const ModelLayout& layout, int64_t num_layers) {
  std::vector<int64_t> matches(overrides.size());
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (const LinearLayout& linear : layout.linears) {
      const std::string name = FullName(layout, layer, linear.name);
      for (size_t i = 0; i < overrides.size(); ++i) {
        matches[i] += MatchesPattern(overrides[i].pattern, name) ? 1 : 0;
      }
    }
  }
  return matches;
}

std::string Describe(const LayerOverride& change) {
  if (change.skip) return "skipped";
  std::vector<std::string> parts;
  if (change.bits) parts.push_back(absl::StrCat(*change.bits, " bits"));
  if (change.group_size) {
    parts.push_back(*change.group_size < 0 ? "per row"
                                           : absl::StrCat("groups of ", *change.group_size));
  }
  if (change.method) parts.push_back(LayerMethodName(*change.method));
  return absl::StrJoin(parts, ", ");
}

}  // namespace rondo
