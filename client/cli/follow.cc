#include "client/cli/follow.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "client/cli/progress_display.h"
#include "client/lib/json.h"
#include "common/base/ids.h"

namespace rondo {
namespace {

constexpr int kUsualColumns = 80;

// Of the terminal that stderr is; 0 when it is none.
int TerminalColumns() {
  if (isatty(STDERR_FILENO) == 0) return 0;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace

absl::StatusOr<FollowedJob> Follow(RondoClient* client, const JobId& id, int64_t after, bool json) {
  ProgressDisplay display(id, after, TerminalColumns(), [json](const std::string& text) {
    if (!json) std::fputs(text.c_str(), stderr);
  });
  RETURN_IF_ERROR(client->Watch(id, after, [&](const JobEvent& event) {
    display.Show(event);
    if (json) {
      std::printf("%s\n", EventJson(event).c_str());
      std::fflush(stdout);
    }
    return true;
  }));
  ASSIGN_OR_RETURN(Job job, client->Get(id));
  return FollowedJob{std::move(job), display.notes()};
}

absl::StatusOr<FollowedJob> SubmitAndFollow(RondoClient* client, const JobSpec& spec,
                                            const std::string& request_id, bool json,
                                            Canceller* canceller) {
  RETURN_IF_ERROR(canceller->reason());
  ASSIGN_OR_RETURN(const SubmittedJob submitted, client->Submit(spec, request_id));
  canceller->Watch(client, submitted.job.id);
  absl::StatusOr<FollowedJob> followed = Follow(client, submitted.job.id, 0, json);
  canceller->Forget();
  return followed;
}

std::string RequestId(const std::string& given) { return given.empty() ? RandomHexId() : given; }

}  // namespace rondo
