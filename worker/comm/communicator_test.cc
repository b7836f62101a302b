// Two to four ranks as threads of one process over real Gloo connections on loopback.
#include "worker/comm/communicator.h"

#include <thread>
#include <vector>

#include <ATen/ATen.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

// Runs `body` on every rank of a new gang; a rank that cannot join fails the test.
void RunGang(int size, absl::Duration timeout, const std::function<void(Communicator&)>& body) {
  auto listening = Listen("127.0.0.1", absl::Seconds(20));
  ASSERT_TRUE(listening.ok()) << listening.status();
  const std::string address = (*listening)->address();
  std::vector<std::thread> ranks;
  ranks.reserve(size);
  for (int rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&, rank] {
      auto rendezvous = rank == 0 ? std::move(listening) : Connect(address, absl::Seconds(20));
      ASSERT_TRUE(rendezvous.ok()) << rendezvous.status();
      GroupOptions options;
      options.rank = rank;
      options.size = size;
      options.host = "127.0.0.1";
      options.generation = "job/1";
      options.timeout = timeout;
      auto group = JoinGroup(*std::move(rendezvous), options);
      ASSERT_TRUE(group.ok()) << group.status();
      body(**group);
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

TEST(Communicator, PassesTensorsDownTheLine) {
  RunGang(3, absl::Seconds(30), [](Communicator& comm) {
    for (int message = 0; message < 5; ++message) {
      at::Tensor data = at::arange(8, at::kFloat) * (message + 1);
      if (comm.rank() > 0) {
        at::Tensor got = at::zeros({8});
        auto pending = comm.Receive(got, comm.rank() - 1);
        ASSERT_TRUE(pending.ok()) << pending.status();
        ASSERT_TRUE((*pending)->Wait().ok());
        EXPECT_TRUE(got.equal(data));
      }
      if (comm.rank() < comm.size() - 1) {
        auto pending = comm.Send(data, comm.rank() + 1);
        ASSERT_TRUE(pending.ok()) << pending.status();
        ASSERT_TRUE((*pending)->Wait().ok());
      }
    }
    EXPECT_EQ(comm.bytes_sent(), comm.rank() < 2 ? 5 * 32 : 0);
    ASSERT_TRUE(comm.Barrier().ok());
  });
}

TEST(Communicator, BroadcastsBfloat16AndIntegers) {
  RunGang(2, absl::Seconds(30), [](Communicator& comm) {
    for (const at::ScalarType type : {at::kBFloat16, at::kLong, at::kFloat}) {
      at::Tensor data = at::full({3}, comm.rank() == 0 ? 7 : 0, type);
      ASSERT_TRUE(comm.Broadcast(data, 0).ok());
      EXPECT_TRUE(data.equal(at::full({3}, 7, type)));
    }
  });
}

TEST(Communicator, SilentPeerIsUnavailableAfterTheTimeout) {
  RunGang(2, absl::Seconds(2), [](Communicator& comm) {
    if (comm.rank() == 0) {
      at::Tensor never = at::zeros({1});
      auto pending = comm.Receive(never, 1);
      ASSERT_TRUE(pending.ok()) << pending.status();
      EXPECT_EQ((*pending)->Wait().code(), absl::StatusCode::kUnavailable);
      // Rank 1 waits for this in its own Receive, so that it is alive while rank 0 times out.
    } else {
      at::Tensor never = at::zeros({1});
      auto pending = comm.Receive(never, 0);
      ASSERT_TRUE(pending.ok()) << pending.status();
      EXPECT_EQ((*pending)->Wait().code(), absl::StatusCode::kUnavailable);
    }
  });
}

TEST(Communicator, NobodyAtTheRendezvousIsUnavailable) {
  auto connected = Connect("127.0.0.1:1", absl::Seconds(2));
  EXPECT_EQ(connected.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(connected.status().message()),
              testing::HasSubstr("nobody answers at the gang's rendezvous 127.0.0.1:1"));
  EXPECT_EQ(Connect("127.0.0.1", absl::Seconds(2)).status().message(),
            "rendezvous address \"127.0.0.1\" is not host:port");
}

TEST(Communicator, OneRankNeedsNobody) {
  auto comm = SingleRank();
  EXPECT_EQ(comm->size(), 1);
  EXPECT_TRUE(comm->Barrier().ok());
  EXPECT_FALSE(comm->Send(at::zeros({1}), 1).ok());
}

}  // namespace
}  // namespace rondo
