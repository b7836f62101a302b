// Options of CLI11 as this command line has them: an error names the option, the value and what is
// accepted, on one line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "client/cli/setting_names.h"

namespace rondo {

// Zero would mean "the service's default" on the wire, which is not what somebody who types 0
// wants.
CLI::Validator OneOrMore();
CLI::Validator NotZero();  // of --group-size
CLI::Validator OneOf(const std::vector<std::string>& accepted);

// An option whose values are the names of `table`; `value` holds the default and must outlive
// `app`.
template <typename E>
CLI::Option* AddNamed(CLI::App* app, const std::string& name, E* value, const NameTable<E>& table,
                      const std::string& help) {
  std::vector<std::string> names;
  names.reserve(table.size());
  for (const auto& entry : table) names.push_back(entry.first);
  const auto store = [value, &table](const std::string& given) {
    for (const auto& entry : table) {
      if (entry.first == given) *value = entry.second;
    }
  };
  return app->add_option_function<std::string>(name, store, help)
      ->check(OneOf(names))
      ->default_str(NameOf(table, *value));
}

}  // namespace rondo
