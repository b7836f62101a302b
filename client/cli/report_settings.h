// A job's settings in words. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "common/domain/job_spec.h"

namespace rondo {

// Pairs of a setting and its value; those that the job does not read are left out.
std::vector<std::vector<std::string>> SettingRows(const JobSpec& spec);

}  // namespace rondo
