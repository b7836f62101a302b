#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/download.h"
#include "client/cli/job_options.h"
#include "client/cli/output_folder.h"
#include "client/cli/report.h"
#include "client/cli/session.h"
#include "client/cli/summary.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

struct QuantizeOptions {
  JobOptions job;
  std::string out;
  std::string report;  // empty: none
};

// Complete folders of the job's artifacts, by format name, on the file system of `work`.
absl::StatusOr<std::map<std::string, std::string>> Collect(Session* session, const Job& job,
                                                           const WorkFolder& work) {
  if (session->embedded() == nullptr) {
    return DownloadArtifacts(session->client(), job.id, job.artifacts, work.path());
  }
  std::map<std::string, std::string> folders;
  for (const ExportFormat format : job.spec.exports) {
    folders[ExportFormatName(format)] = session->embedded()->FormatFolder(job.id, format);
  }
  return folders;
}

absl::StatusOr<ExitCode> Quantize(QuantizeOptions options, const Globals& globals) {
  Canceller canceller;
  const std::string out = AbsolutePath(options.out);
  RETURN_IF_ERROR(CheckOutputFolder(out));
  const std::string report = AbsolutePath(options.report);
  if (!report.empty()) RETURN_IF_ERROR(CheckReportFile(report));
  ChooseCompute(globals, ToJobSpec(options.job).method, &options.job.compute);
  ASSIGN_OR_RETURN(const auto work, WorkFolder::Beside(out));
  ASSIGN_OR_RETURN(const auto session, Session::Open(globals, work->path()));
  ASSIGN_OR_RETURN(const FollowedJob followed,
                   session->Run(ToJobSpec(options.job), RequestId(options.job.request_id),
                                globals.json, &canceller));
  const Job& job = followed.job;
  if (job.state == JobState::kSucceeded) {
    ASSIGN_OR_RETURN(const auto folders, Collect(session.get(), job, *work));
    RETURN_IF_ERROR(work->Publish(folders, out));
    if (!globals.json) {
      std::printf("%s\n%s", Summary(job, followed.notes).c_str(), HowToLoad(job, out).c_str());
    }
  }
  if (!report.empty()) RETURN_IF_ERROR(WriteReport(session->client(), job.id, report));
  if (globals.json) std::printf("%s\n", JobJson(job).c_str());
  return ReportEnd(job);
}

}  // namespace

void AddQuantizeCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "quantize", "Quantize a model into --out, here or (with --server) on a cluster");
  auto options = std::make_shared<QuantizeOptions>();
  DeclareJobOptions(command, &options->job);
  command
      ->add_option("--out", options->out,
                   "Folder to make; with several formats one sub-folder each")
      ->required();
  command->add_option("--report", options->report,
                      "HTML page to write about the job, as rondo report does");
  command->callback([=] { *chosen = [=] { return Quantize(*options, *globals); }; });
}

}  // namespace rondo
