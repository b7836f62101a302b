#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/job_options.h"
#include "client/cli/output_folder.h"
#include "client/cli/session.h"
#include "client/cli/summary.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

struct EvalOptions {
  std::string model;
  ComputeOptions compute;
  EvaluationOptions evaluation;
};

absl::StatusOr<ExitCode> Eval(EvalOptions options, const Globals& globals) {
  Canceller canceller;
  ASSIGN_OR_RETURN(const auto folder, WorkFolder::Temporary());
  ChooseCompute(globals, EvaluateOnly{}, &options.compute);
  ASSIGN_OR_RETURN(const auto session, Session::Open(globals, folder->path()));
  ASSIGN_OR_RETURN(
      const FollowedJob followed,
      session->Run(ToEvaluationSpec(options.model, options.evaluation, options.compute),
                   RequestId(""), globals.json, &canceller));
  if (globals.json) {
    std::printf("%s\n", JobJson(followed.job).c_str());
  } else if (followed.job.state == JobState::kSucceeded) {
    std::printf("%s", Summary(followed.job, followed.notes).c_str());
  }
  return ReportEnd(followed.job);
}

}  // namespace

void AddEvalCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command = app->add_subcommand("eval", "Measure the perplexity of a model as it is");
  auto options = std::make_shared<EvalOptions>();
  command->add_option("--model", options->model, "Hugging Face folder of the model")->required();
  DeclareEvaluationOptions(command, &options->evaluation);
  command->get_option("--eval")->required();
  DeclareComputeOptions(command, &options->compute);
  command->callback([=] { *chosen = [=] { return Eval(*options, *globals); }; });
}

}  // namespace rondo
