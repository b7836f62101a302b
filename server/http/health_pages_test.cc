#include "server/http/health_pages.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>

namespace rondo {
namespace {

TEST(HealthPages, LivenessAndReadinessDiffer) {
  std::atomic<bool> draining = false;
  const auto pages = HealthPages::Start(
      "127.0.0.1:0",
      {.alive = [] { return absl::OkStatus(); },
       .ready = [&] { return draining ? absl::UnavailableError("draining") : absl::OkStatus(); },
       .metrics = [] { return std::string("up 1\n"); }});
  ASSERT_TRUE(pages.ok()) << pages.status();
  httplib::Client client("http://" + (*pages)->address());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->body, "ok\n");
  draining = true;
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  EXPECT_EQ(client.Get("/readyz")->body, "draining\n");
  EXPECT_EQ(client.Get("/etc/passwd")->status, 404);
  EXPECT_EQ(client.Get("/metrics")->body, "up 1\n");
  EXPECT_EQ(client.Get("/metrics")->get_header_value("Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
}

TEST(HealthPages, AnAddressThatCannotBeListenedOnIsNamed) {
  const auto ok = [] { return absl::OkStatus(); };
  const HealthPages::Contents contents{ok, ok, [] { return std::string(); }};
  const auto pages = HealthPages::Start("127.0.0.1:0", contents);
  const std::string taken = (*pages)->address();
  EXPECT_EQ(HealthPages::Start(taken, contents).status(),
            absl::UnavailableError("cannot listen on " + taken +
                                   " for health; is another program using the port?"));
  EXPECT_EQ(HealthPages::Start("here", contents).status(),
            absl::InvalidArgumentError("the address for health is \"here\"; it must be host:port"));
}

}  // namespace
}  // namespace rondo
