#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/job_options.h"
#include "client/lib/client.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

absl::StatusOr<ExitCode> Submit(const JobOptions& options, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  ASSIGN_OR_RETURN(const SubmittedJob submitted,
                   client->Submit(ToJobSpec(options), RequestId(options.request_id)));
  std::printf("%s\n",
              globals.json ? JobJson(submitted.job).c_str() : submitted.job.id.value().c_str());
  return kExitSuccess;
}

}  // namespace

void AddSubmitCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command = app->add_subcommand("submit", "Queue a job and print its id");
  auto options = std::make_shared<JobOptions>();
  DeclareJobOptions(command, options.get());
  command->callback([=] { *chosen = [=] { return Submit(*options, *globals); }; });
}

}  // namespace rondo
