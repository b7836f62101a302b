#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/job_options.h"
#include "client/cli/report.h"
#include "client/lib/client.h"
#include "client/lib/json.h"
#include "common/io/file.h"

namespace rondo {
namespace {

struct ReportOptions {
  std::string job;
  std::string out;
};

absl::StatusOr<ExitCode> Report(const ReportOptions& options, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  const std::string name = absl::StrCat(options.job, ".html");
  // An id may hold anything; a name made from it may not.
  if (options.out.empty()) RETURN_IF_ERROR(ValidateFileName("job", name));
  const std::string out = AbsolutePath(options.out.empty() ? name : options.out);
  RETURN_IF_ERROR(CheckReportFile(out));
  RETURN_IF_ERROR(WriteReport(client.get(), JobId(options.job), out));
  std::printf("%s\n", (globals.json ? FieldJson("report", out) : out).c_str());
  return kExitSuccess;
}

}  // namespace

void AddReportCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "report", "Write what a job did as one HTML page: results, curves, layers, settings");
  auto options = std::make_shared<ReportOptions>();
  command->add_option("job", options->job, "Id of the job")->required();
  command->add_option("--out", options->out, "File to write (default: JOB.html)");
  command->callback([=] { *chosen = [=] { return Report(*options, *globals); }; });
}

}  // namespace rondo
