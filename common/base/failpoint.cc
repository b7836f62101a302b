#include "common/base/failpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "common/base/mutex.h"

namespace rondo {
namespace {

// What the environment asks for.
struct Plan {
  Plan() {
    const char* fatal_text = std::getenv("RONDO_FAILPOINT");
    const char* log_path = std::getenv("RONDO_FAILPOINT_LOG");
    fatal = fatal_text == nullptr ? "" : fatal_text;
    if (const size_t colon = fatal.find(':'); colon != std::string::npos) {
      hits_left = std::atoi(fatal.c_str() + colon + 1);
      fatal.resize(colon);
    }
    if (log_path != nullptr) {
      log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
  }
  std::string fatal;
  int hits_left = 1;
  int log = -1;
};

}  // namespace

void ReachFailpoint(std::string_view name) {
  static Mutex mu;
  static Plan plan;
  MutexLock lock(&mu);
  // One write a line, so that a kill leaves whole lines.
  const std::string line = std::string(name) + "\n";
  if (plan.log >= 0 && write(plan.log, line.data(), line.size()) < 0) std::abort();
  if (plan.fatal == name && --plan.hits_left == 0) raise(SIGKILL);
}

}  // namespace rondo
