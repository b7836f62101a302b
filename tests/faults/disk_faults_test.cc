// A rondo-server whose disk takes no more, by the system's own limit on the size of its files. Each
// operation of the store on a disk that fails: server/store/faulty_disk_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "common/io/file.h"
#include "tests/faults/cluster.h"

namespace rondo {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

std::vector<std::string> Requests(RondoClient* client) {
  std::vector<std::string> requests;
  const auto page = client->List(500, "");
  EXPECT_TRUE(page.ok()) << page.status();
  if (!page.ok()) return requests;
  for (const Job& job : page->jobs) requests.push_back(job.request_id);
  return requests;
}

TEST(DiskFaults, TheServerEndsInWordsAndNothingAcknowledgedIsLost) {
  Cluster cluster;
  ASSERT_TRUE(cluster.StartServer());
  auto client = RondoClient::Connect(cluster.address());
  const JobSpec spec = cluster.Spec("gang-1", 1);
  ASSERT_TRUE(client->Submit(spec, "before").ok());
  // Some more fit, the next does not.
  const std::string log = cluster.state_dir() + "/rondo.db-wal";
  cluster.server().LimitFiles(*FileSize(log) + 30'000);
  std::vector<std::string> acknowledged = {"before"};
  absl::Status refused;
  while (refused.ok() && acknowledged.size() < 100) {
    const std::string request = absl::StrCat("r-", acknowledged.size());
    refused = client->Submit(spec, request).status();
    if (refused.ok()) acknowledged.push_back(request);
  }
  EXPECT_GT(acknowledged.size(), 1u);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the job store failed"));
  int how = 0;
  ASSERT_TRUE(cluster.server().WaitFor(absl::Seconds(30), &how)) << "it goes on";
  EXPECT_TRUE(WIFEXITED(how) && WEXITSTATUS(how) == 1) << how;
  EXPECT_THAT(*ReadFile(cluster.server_log()),
              HasSubstr("rondo-server: the job store failed, restart rondo-server"));

  ASSERT_TRUE(cluster.StartServer());
  client = RondoClient::Connect(cluster.address());
  EXPECT_THAT(Requests(client.get()), UnorderedElementsAreArray(acknowledged));
  const auto again = client->Submit(spec, absl::StrCat("r-", acknowledged.size()));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->existed);
}

}  // namespace
}  // namespace rondo
