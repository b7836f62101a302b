#include "client/cli/exit_code.h"

#include <algorithm>
#include <cstdio>

namespace rondo {

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return kExitSuccess;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kOutOfRange: return kExitUsage;
    case absl::StatusCode::kUnavailable: return kExitUnreachable;
    case absl::StatusCode::kCancelled: return kExitCancelled;
    default: return kExitOther;
  }
}

ExitCode ReportEnd(const Job& job) {
  if (job.state == JobState::kSucceeded) return kExitSuccess;
  if (job.state == JobState::kCancelled) {
    PrintError(absl::StrCat("job ", job.id.value(), " was cancelled"));
    return kExitCancelled;
  }
  PrintError(absl::StrCat("job ", job.id.value(), " failed: ", job.error.message()));
  return kExitJobFailed;
}

void PrintError(const std::string& message) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fprintf(stderr, "rondo: %s\n", line.c_str());
}

}  // namespace rondo
