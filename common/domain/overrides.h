// Which settings hold for a linear layer: the job's, or those of an override. Of the overrides
// whose pattern matches, the last one given decides, alone; what it leaves out is the job's. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/job_spec.h"
#include "common/domain/model_config.h"

namespace rondo {

// '*' in `pattern` matches any run of characters, dots too, '?' any one; the rest matches itself.
// The whole name must match.
bool MatchesPattern(const std::string& pattern, const std::string& name);

// The override that decides on a layer of that full name; null: none.
const LayerOverride* OverrideOf(const std::vector<LayerOverride>& overrides,
                                const std::string& name);

struct LayerSettings {
  bool skip = false;
  GridSpec grid;
  std::optional<LayerMethod> method;  // unset: the job's
};
LayerSettings SettingsOf(const GridSpec& grid, const std::vector<LayerOverride>& overrides,
                         const std::string& name);

// How many linear layers each override matches, by their order in the spec.
std::vector<int64_t> CountMatches(const std::vector<LayerOverride>& overrides,
                                  const ModelLayout& layout, int64_t num_layers);

// "8 bits, groups of 64", "skipped"
std::string Describe(const LayerOverride& change);

}  // namespace rondo
