#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/download.h"
#include "client/cli/job_options.h"
#include "client/cli/output_folder.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

struct DownloadOptions {
  std::string job;
  std::string out;
  std::string format;  // empty: all
};

absl::StatusOr<ExitCode> DownloadArtifacts(const DownloadOptions& options, const Globals& globals) {
  const std::string out = AbsolutePath(options.out);
  RETURN_IF_ERROR(CheckOutputFolder(out));
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  const JobId job(options.job);
  ASSIGN_OR_RETURN(std::vector<ArtifactInfo> artifacts, client->ListArtifacts(job));
  if (!options.format.empty()) {
    std::erase_if(artifacts, [&](const ArtifactInfo& artifact) {
      return ExportFormatName(artifact.format) != options.format;
    });
  }
  if (artifacts.empty()) {
    return absl::NotFoundError(absl::StrCat("job ", options.job, " has no artifacts",
                                            options.format.empty() ? "" : " of format ",
                                            options.format));
  }
  ASSIGN_OR_RETURN(const auto folder, WorkFolder::Beside(out));
  ASSIGN_OR_RETURN(const auto folders,
                   DownloadArtifacts(client.get(), job, artifacts, folder->path()));
  RETURN_IF_ERROR(folder->Publish(folders, out));
  std::printf("%s\n", globals.json ? ArtifactsJson(artifacts).c_str() : out.c_str());
  return kExitSuccess;
}

}  // namespace

void AddDownloadCommand(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* command = app->add_subcommand("download", "Bring a job's artifacts here");
  auto options = std::make_shared<DownloadOptions>();
  command->add_option("job", options->job, "Id of the job")->required();
  command->add_option("--out", options->out, "Folder to make")->required();
  command->add_option("--format", options->format, "dense or compressed-tensors (default: all)")
      ->check(CLI::IsMember({"dense", "compressed-tensors"}));
  command->callback([=] { *chosen = [=] { return DownloadArtifacts(*options, *globals); }; });
}

}  // namespace rondo
