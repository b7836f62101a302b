// rondo: quantizes models here or on a cluster, and follows jobs there.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "client/cli/command.h"

namespace rondo {
namespace {

// CLI11 prints help and version itself; its errors become our one line.
int ParseFailed(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const std::vector<std::string> unknown = app.remaining();
  PrintError(unknown.empty() ? error.what()
                             : absl::StrCat("unknown command or option ", unknown.front(),
                                            "; see rondo --help"));
  return kExitUsage;
}

int Main(int argc, char** argv) {
  CLI::App app("Quantizes the weights of language models, on this machine or on a cluster.",
               "rondo");
  Globals globals;
  app.add_option("--server", globals.server.address, "HOST:PORT of rondo-server")
      ->envname("RONDO_SERVER")
      ->capture_default_str();
  DeclareConnection(&app, &globals.server);
  app.add_option("--download-dir", globals.download_dir,
                 "DIR for what is fetched from s3:// when no server is named; default "
                 "rondo/downloads in the user's cache folder")
      ->envname("RONDO_DOWNLOAD_DIR");
  app.add_option("--download-quota", globals.download_quota_bytes,
                 "SIZE, as 200GB, of all that is in it; default: as much as the disk has room for")
      ->envname("RONDO_DOWNLOAD_QUOTA")
      ->transform(CLI::AsSizeValue(true));
  app.add_flag("--json", globals.json, "Answer in JSON, for scripts");
  app.set_version_flag("--version", RONDO_VERSION);
  app.footer(kExitCodeHelp);
  app.require_subcommand(1);
  app.fallthrough();  // global options may follow the command

  Command chosen;
  AddQuantizeCommand(&app, &globals, &chosen);
  AddPlanCommand(&app, &globals, &chosen);
  AddEvalCommand(&app, &globals, &chosen);
  AddSubmitCommand(&app, &globals, &chosen);
  AddJobCommands(&app, &globals, &chosen);
  AddDownloadCommand(&app, &globals, &chosen);
  AddReportCommand(&app, &globals, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ParseFailed(app, error);
  }
  globals.server_given = app.get_option("--server")->count() > 0;

  const absl::StatusOr<ExitCode> code = chosen();
  if (code.ok()) return *code;
  PrintError(std::string(code.status().message()));
  return ExitCodeOf(code.status());
}

}  // namespace
}  // namespace rondo

// Memory that runs out ends the program. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return rondo::Main(argc, argv); }
