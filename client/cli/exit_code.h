// What the exit code of `rondo` means (docs/cli.md).
#pragma once

#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

enum ExitCode {
  kExitSuccess = 0,
  kExitJobFailed = 1,
  kExitUsage = 2,        // an option or what it names is wrong
  kExitUnreachable = 3,  // no server, or none that is ready
  kExitCancelled = 4,
  kExitOther = 5,
};

ExitCode ExitCodeOf(const absl::Status& status);

// REQUIRES: the job has ended. Anything but success is told on stderr.
ExitCode ReportEnd(const Job& job);

// "rondo: MESSAGE" on stderr, on one line.
void PrintError(const std::string& message);

inline constexpr char kExitCodeHelp[] =
    "Exit codes: 0 success, 1 the job failed, 2 wrong usage or input, 3 the server cannot be "
    "reached, 4 cancelled, 5 anything else.";

}  // namespace rondo
