#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/job_options.h"
#include "client/cli/output_folder.h"
#include "client/cli/session.h"
#include "client/cli/summary.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

absl::StatusOr<ExitCode> PrintPlan(JobOptions options, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto folder, WorkFolder::Temporary());
  ChooseCompute(globals, ToJobSpec(options).method, &options.compute);
  const JobSpec spec = ToJobSpec(options);
  ASSIGN_OR_RETURN(const auto session, Session::Open(globals, folder->path()));
  ASSIGN_OR_RETURN(const Plan plan, session->Plan(spec));
  std::printf("%s", globals.json ? (PlanJson(plan) + "\n").c_str() : PlanText(plan, spec).c_str());
  return kExitSuccess;
}

}  // namespace

void AddPlanCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command =
      app->add_subcommand("plan", "Check a job and print what it would do, without running it");
  auto options = std::make_shared<JobOptions>();
  DeclareJobOptions(command, options.get());
  command->callback([=] { *chosen = [=] { return PrintPlan(*options, *globals); }; });
}

}  // namespace rondo
