// Numbers and tables for people. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace rondo {

std::string FormatBytes(int64_t bytes);     // "269.0 MB": powers of ten
std::string FormatSeconds(double seconds);  // "3.2 s", "1:05", "2:03:04"
std::string FormatShare(double share);      // "12.5 %", three digits
std::string FormatDate(absl::Time time);    // local, to the second; "-" for an infinite one

// Rows of cells as lines, columns aligned to the left and two blanks apart. `indent`: blanks before
// each line.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows, int indent = 0);

}  // namespace rondo
