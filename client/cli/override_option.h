// The text of an --override. Pure.
#pragma once

#include <string>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

// "PATTERN:skip", or "PATTERN:" and some of bits=N, group_size=N, method=rtn|gptq separated by
// commas. INVALID_ARGUMENT says what was given and what is accepted. Whether the numbers make sense
// is for the service to say.
absl::StatusOr<LayerOverride> ParseOverride(const std::string& text);

}  // namespace rondo
