// What every command of `rondo` is given, and how main() runs the chosen one. A command declares
// its options on `app` and, when it is the one on the command line, stores what is to be done.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "client/cli/exit_code.h"
#include "common/base/status.h"
#include "proto/rpc/connection.h"

namespace CLI {
class App;
}  // namespace CLI

namespace rondo {

struct Globals {
  ConnectionOptions server = {.address = "127.0.0.1:50051"};
  bool server_given = false;  // by --server or RONDO_SERVER
  bool json = false;
  // Of what jobs name in S3, where no server is named.
  std::string download_dir;          // empty: the user's
  int64_t download_quota_bytes = 0;  // 0: as much as the disk has room for
};

// An error becomes one line on stderr and its exit code.
using Command = std::function<absl::StatusOr<ExitCode>()>;

void AddSubmitCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddQuantizeCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddPlanCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddEvalCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddDownloadCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddReportCommand(CLI::App* app, const Globals* globals, Command* chosen);
void AddJobCommands(CLI::App* app, const Globals* globals, Command* chosen);  // list get watch
                                                                              // cancel workers

}  // namespace rondo
