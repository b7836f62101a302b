// What is in S3, looked at and fetched: against the fake service of common/s3/testing.
#include "server/core/source_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/base/ids.h"
#include "common/io/file.h"
#include "common/io/sha256.h"
#include "common/s3/testing/fake_s3.h"
#include "server/core/source_preview.h"
#include "server/core/testing.h"

namespace rondo {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const RemoteSource kModel = {{"models", "llama"}, true, ""};

class SourceCacheTest : public testing::Test {
 public:
  SourceCacheTest() : root_(testing::TempDir() + "/sources-" + RandomHexId()) {
    fake_.PutFolder("models/llama", kTinyModel);
    fake_.Put("data/calibration.txt", *ReadFile(kCalibrationText));
    spec_ = TinySpec(1);
    spec_.model.path = "s3://models/llama";
    spec_.calibration.path = "s3://data/calibration.txt";
  }
  ~SourceCacheTest() override { std::filesystem::remove_all(root_); }

 protected:
  absl::StatusOr<SourceFetched> Fetch(
      const RemoteSource& source, const SourceFetched& bound = {},
      const StopRequested& stop = [] { return false; }) {
    S3Client client(cache_.s3(), stop);
    ASSIGN_OR_RETURN(const FoundSource found, cache_.Find(&client, source, bound));
    ASSIGN_OR_RETURN(DownloadRoom room,
                     cache_.downloads().MakeRoom(NamesOf({found}), DownloadsOf({found}), stop));
    FileDescriptor& hold = room.holds[found.download.content];
    RETURN_IF_ERROR(cache_.Fetch(
        &client, found, [](int64_t, int64_t) {}, stop, &hold));
    return found.fetched;
  }
  absl::Status Check() { return CheckRemoteSpec(spec_, cache_).status(); }
  std::vector<std::string> Entries() {
    std::vector<std::string> names;
    if (!IsDirectory(root_)) return names;
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      if (entry.path().extension() == ".lock") continue;
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  static std::string WeightsOf(const std::string& folder) {
    return Sha256OfFile(folder + "/model.safetensors").value_or("none");
  }
  static int64_t BytesAskedFor(const std::vector<std::string>& requests) {
    int64_t total = 0;
    for (const std::string& request : requests) {
      const size_t range = request.find("bytes=");
      const size_t dash = request.find('-', range);
      if (range == std::string::npos) continue;
      total += std::stoll(request.substr(dash + 1)) - std::stoll(request.substr(range + 6)) + 1;
    }
    return total;
  }

  const std::string root_;
  FakeS3 fake_;
  SourceCache cache_{fake_.options(), {root_, 0}};
  JobSpec spec_;
};

TEST_F(SourceCacheTest, AdmissionReadsHeadersOnly) {
  const auto remote = CheckRemoteSpec(spec_, cache_);
  ASSERT_TRUE(remote.ok()) << remote.status();
  const auto local = CheckSpec(TinySpec(1));
  EXPECT_EQ(remote->checkpoint_bytes, local->checkpoint_bytes);
  EXPECT_EQ(remote->other_tensor_bytes, local->other_tensor_bytes);
  const std::vector<std::string> requests = fake_.TakeRequests();
  EXPECT_THAT(requests, Contains("GET /models/llama/model.safetensors bytes=0-65535"));
  EXPECT_THAT(requests, Contains("HEAD /data/calibration.txt"));
  EXPECT_THAT(requests, Not(Contains(StartsWith("GET /data"))));
  EXPECT_THAT(Entries(), IsEmpty());
}

TEST_F(SourceCacheTest, AdmissionTellsOfSourcesByTheirNames) {
  spec_.grid.group_size = 48;
  EXPECT_THAT(std::string(Check().message()), StartsWith("grid.group_size 48 does not divide"));
  spec_.grid.group_size = 32;
  spec_.calibration.samples = 100'000;
  EXPECT_THAT(std::string(Check().message()),
              StartsWith("calibration text s3://data/calibration.txt holds at most 299663 tokens"));
  spec_.calibration.samples = 4;
  fake_.Put("models/llama/config.json", R"({"model_type": "mamba"})");
  EXPECT_EQ(Check(), absl::InvalidArgumentError(
                         "s3://models/llama/config.json: model_type \"mamba\" is not supported; "
                         "supported: llama, opt, qwen3"));
  spec_.model.path = "s3://data";
  EXPECT_EQ(Check(), absl::InvalidArgumentError(
                         "s3://data holds no config.json; it must be a Hugging Face model folder"));
}

TEST_F(SourceCacheTest, AdmissionFindsThatThereIsNoRoom) {
  fake_.ClaimBytes("models/llama/model.safetensors", int64_t{1} << 60);
  EXPECT_THAT(std::string(Check().message()),
              testing::MatchesRegex("s3://models/llama, s3://data/calibration.txt needs "
                                    "1152921504.6 GB; " +
                                    root_ + " has room for [0-9.]+ GB without other downloads"));
}

TEST_F(SourceCacheTest, FetchesAModelOnce) {
  const auto fetched = Fetch(kModel);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->source, "s3://models/llama");
  EXPECT_EQ(fetched->files, static_cast<int64_t>(ListFiles(kTinyModel)->size()));
  EXPECT_EQ(WeightsOf(fetched->path), WeightsOf(kTinyModel));
  EXPECT_THAT(Entries(), ElementsAre(std::filesystem::path(fetched->path).filename().string()));
  fake_.TakeRequests();
  EXPECT_EQ(Fetch(kModel)->path, fetched->path);
  EXPECT_THAT(fake_.TakeRequests(), ElementsAre(StartsWith("GET /models?")));
  EXPECT_EQ(Check(), absl::OkStatus());  // of what is here nothing is asked for again
  EXPECT_EQ(BytesAskedFor(fake_.TakeRequests()), 0);
}

TEST_F(SourceCacheTest, WeightsInFormsThatAreNotReadStayThere) {
  for (const std::string name : {"pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"}) {
    fake_.Put("models/llama/" + name, "weights");
  }
  fake_.Put("models/llama/READ ME", "a name that nothing reads");
  EXPECT_EQ(*ListFiles(Fetch(kModel)->path), *ListFiles(kTinyModel));
}

TEST_F(SourceCacheTest, ADownloadThatWasStoppedGoesOn) {
  std::atomic<bool> stop = false;
  fake_.HoldAfter(300'000);  // in the weights, which come after the configuration
  std::thread stopper([&] {
    fake_.WaitUntilHeld(root_, "model.safetensors.partial", 300'000);
    stop = true;
  });
  const auto stopped = Fetch(kModel, {}, [&] { return stop.load(); });
  stopper.join();
  fake_.Release();
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
  fake_.TakeRequests();
  const auto fetched = Fetch(kModel);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  const std::vector<std::string> requests = fake_.TakeRequests();
  EXPECT_THAT(requests, Contains(HasSubstr("/models/llama/model.safetensors bytes=300000-")));
  EXPECT_THAT(requests, Not(Contains(HasSubstr("/config.json"))));
  EXPECT_EQ(WeightsOf(fetched->path), WeightsOf(kTinyModel));
}

TEST_F(SourceCacheTest, TwoWhoWantTheSameFetchItOnce) {
  fake_.HoldAfter(300'000);
  absl::StatusOr<SourceFetched> first, second;
  std::thread one([&] { first = Fetch(kModel); });
  fake_.WaitUntilHeld();
  std::thread two([&] { second = Fetch(kModel); });
  fake_.Release();
  one.join();
  two.join();
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->path, second->path);
  int reads = 0;
  for (const std::string& request : fake_.TakeRequests()) {
    if (request.starts_with("GET /models/llama/model.safetensors")) ++reads;
  }
  EXPECT_EQ(reads, 1);
}

TEST_F(SourceCacheTest, ALaterGenerationGetsTheSameBytesOrNone) {
  const SourceFetched bound = *Fetch(kModel);
  fake_.Put("models/llama/config.json", "{}");
  EXPECT_EQ(Fetch(kModel, bound)->path, bound.path);  // it is still here
  std::filesystem::remove_all(bound.path);
  EXPECT_EQ(Fetch(kModel, bound).status(),
            absl::FailedPreconditionError("s3://models/llama has changed since the job began with "
                                          "it, and " +
                                          bound.path + " is gone; submit the job again"));
}

TEST_F(SourceCacheTest, ADamagedFileIsNoModel) {
  fake_.Damage("models/llama/model.safetensors");
  const auto fetched = Fetch(kModel);
  EXPECT_EQ(fetched.status().code(), absl::StatusCode::kDataLoss);
  for (const std::string& name : Entries()) {
    EXPECT_TRUE(name.ends_with(".partial")) << name;
  }
}

}  // namespace
}  // namespace rondo
