// list, get, watch, cancel and workers: what a server knows.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/follow.h"
#include "client/cli/format.h"
#include "client/cli/summary.h"
#include "client/lib/client.h"
#include "client/lib/json.h"

namespace rondo {
namespace {

void PrintJob(const Job& job, bool json) {
  if (json) {
    std::printf("%s\n", JobJson(job).c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"id", job.id.value()},
                                                {"state", JobStateName(job.state)},
                                                {"model", job.spec.model.path},
                                                {"method", MethodName(job.spec.method)},
                                                {"priority", absl::StrCat(job.spec.priority)},
                                                {"created", FormatDate(job.created)},
                                                {"started", FormatDate(job.started)},
                                                {"finished", FormatDate(job.finished)}};
  if (!job.error.ok()) rows.push_back({"error", std::string(job.error.message())});
  for (size_t rank = 0; rank < job.ranks.size(); ++rank) {
    rows.push_back({absl::StrCat("rank ", rank),
                    absl::StrCat(job.ranks[rank].worker.value(), " ", job.ranks[rank].device)});
  }
  for (const ArtifactInfo& artifact : job.artifacts) {
    rows.push_back({"artifact", absl::StrCat(ExportFormatName(artifact.format), "/", artifact.name,
                                             "  ", FormatBytes(artifact.bytes))});
  }
  std::printf("%s%s", FormatTable(rows).c_str(), Summary(job, {}).c_str());
}

struct ListOptions {
  int page_size = 50;
  bool all = false;
};

absl::StatusOr<ExitCode> List(const ListOptions& options, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  JobPage jobs;
  do {
    ASSIGN_OR_RETURN(JobPage page, client->List(options.page_size, jobs.next_page_token));
    jobs.jobs.insert(jobs.jobs.end(), page.jobs.begin(), page.jobs.end());
    jobs.next_page_token = page.next_page_token;
  } while (options.all && !jobs.next_page_token.empty());
  if (globals.json) {
    std::printf("%s\n", JobsJson(jobs).c_str());
    return kExitSuccess;
  }
  std::vector<std::vector<std::string>> rows = {
      {"JOB", "STATE", "PRIORITY", "METHOD", "MODEL", "CREATED"}};
  for (const Job& job : jobs.jobs) {
    rows.push_back({job.id.value(), JobStateName(job.state), absl::StrCat(job.spec.priority),
                    MethodName(job.spec.method),
                    std::filesystem::path(job.spec.model.path).filename().string(),
                    FormatDate(job.created)});
  }
  std::printf("%s", FormatTable(rows).c_str());
  if (!jobs.next_page_token.empty()) std::printf("there are more; --all lists them\n");
  return kExitSuccess;
}

absl::StatusOr<ExitCode> Get(const std::string& id, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  ASSIGN_OR_RETURN(const Job job, client->Get(JobId(id)));
  PrintJob(job, globals.json);
  return kExitSuccess;
}

absl::StatusOr<ExitCode> Watch(const std::string& id, int64_t after, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  ASSIGN_OR_RETURN(const FollowedJob followed,
                   Follow(client.get(), JobId(id), after, globals.json));
  if (!globals.json) std::printf("%s", Summary(followed.job, followed.notes).c_str());
  return ReportEnd(followed.job);
}

absl::StatusOr<ExitCode> Cancel(const std::string& id, const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  ASSIGN_OR_RETURN(const Job job, client->Cancel(JobId(id)));
  if (globals.json) {
    std::printf("%s\n", JobJson(job).c_str());
  } else {
    std::printf("%s\n", JobStateName(job.state).c_str());
  }
  return kExitSuccess;
}

absl::StatusOr<ExitCode> Workers(const Globals& globals) {
  ASSIGN_OR_RETURN(const auto client, RondoClient::Connect(globals.server));
  ASSIGN_OR_RETURN(const std::vector<WorkerInfo> workers, client->ListWorkers());
  if (globals.json) {
    std::printf("%s\n", WorkersJson(workers).c_str());
    return kExitSuccess;
  }
  std::vector<std::vector<std::string>> rows = {
      {"WORKER", "STATE", "HOST", "DEVICE", "MEMORY", "CPUS", "BF16", "JOB"}};
  for (const WorkerInfo& worker : workers) {
    rows.push_back({worker.id.value(), WorkerStateName(worker.state), worker.host, worker.device,
                    FormatBytes(worker.memory_bytes), absl::StrCat(worker.cpus),
                    worker.bf16 ? "yes" : "no", worker.job.value()});
  }
  std::printf("%s", FormatTable(rows).c_str());
  return kExitSuccess;
}

}  // namespace

void AddJobCommands(CLI::App* app, const Globals* globals, Command* chosen) {
  CLI::App* list = app->add_subcommand("list", "Jobs of the server, newest first");
  auto list_options = std::make_shared<ListOptions>();
  list->add_option("--page-size", list_options->page_size, "Jobs a page")->capture_default_str();
  list->add_flag("--all", list_options->all, "All pages");
  list->callback([=] { *chosen = [=] { return List(*list_options, *globals); }; });

  auto id = std::make_shared<std::string>();
  CLI::App* get = app->add_subcommand("get", "One job, as it is now");
  get->add_option("job", *id, "Id of the job")->required();
  get->callback([=] { *chosen = [=] { return Get(*id, *globals); }; });

  auto after = std::make_shared<int64_t>(0);
  CLI::App* watch = app->add_subcommand("watch", "Follow a job to its end");
  watch->add_option("job", *id, "Id of the job")->required();
  watch->add_option("--after", *after, "Number of the last event already seen")
      ->check(CLI::NonNegativeNumber);
  watch->callback([=] { *chosen = [=] { return Watch(*id, *after, *globals); }; });

  CLI::App* cancel = app->add_subcommand("cancel", "Stop a job");
  cancel->add_option("job", *id, "Id of the job")->required();
  cancel->callback([=] { *chosen = [=] { return Cancel(*id, *globals); }; });

  CLI::App* workers = app->add_subcommand("workers", "Workers that the server knows");
  workers->callback([=] { *chosen = [=] { return Workers(*globals); }; });
}

}  // namespace rondo
