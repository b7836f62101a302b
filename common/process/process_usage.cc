#include "common/process/process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace rondo {
namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int64_t Number(const std::string& text) {
  int64_t value = 0;
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

// Seconds since 1970 at which the kernel's clock of processes was 0.
int64_t BootTime() {
  const std::string stat = Contents("/proc/stat");
  const size_t at = stat.find("btime ");
  return at == std::string::npos ? 0 : Number(stat.substr(at + 6, stat.find('\n', at) - at - 6));
}

int64_t CountEntries(const std::string& folder, std::error_code* error) {
  std::filesystem::directory_iterator entries(folder, *error);
  return *error ? 0 : std::distance(begin(entries), end(entries));
}

}  // namespace

absl::StatusOr<ProcessUsage> ReadProcessUsage(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  const std::string stat = Contents(folder + "/stat");
  std::error_code error;
  int64_t fds = CountEntries(folder + "/fd", &error);
  // proc(5): "PID (NAME) STATE ..."; the name may hold spaces and parentheses.
  const size_t name_end = stat.rfind(") ");
  const std::vector<std::string> fields = absl::StrSplit(
      name_end == std::string::npos ? std::string() : stat.substr(name_end + 2), ' ');
  if (error || fields.size() < 22) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " cannot be looked at in ", folder));
  }
  if (pid == getpid()) --fds;  // the folder itself, while it was read
  const auto field = [&](int number) { return Number(fields[number - 3]); };  // as in proc(5)
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessUsage usage;
  usage.cpu_seconds = static_cast<double>(field(14) + field(15)) / ticks;
  usage.threads = field(20);
  usage.start_time_seconds =
      static_cast<double>(BootTime()) + static_cast<double>(field(22)) / ticks;
  usage.resident_bytes = field(24) * sysconf(_SC_PAGESIZE);
  usage.open_fds = fds;
  return usage;
}

}  // namespace rondo
