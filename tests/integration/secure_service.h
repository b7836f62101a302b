// A server with TLS and principals, in a folder of its own, for the tests of who may do what.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "client/lib/client.h"
#include "common/io/file.h"
#include "common/metrics/metrics.h"
#include "server/core/coordinator.h"
#include "server/rpc/server.h"
#include "server/store/sqlite_job_store.h"
#include "tests/integration/certificates.h"

namespace rondo {

inline JobSpec SecureTinySpec() {
  JobSpec spec;
  const std::string root = std::filesystem::current_path().string();
  spec.model.path = root + "/tests/data/models/llama-tiny";
  spec.calibration = {root + "/tests/data/text/calibration.txt", 4, 32, 0};
  spec.grid.group_size = 32;
  spec.workers = 1;
  return spec;
}

class SecureService : public testing::Test {
 protected:
  SecureService() : dir_(testing::TempDir() + "/secure-" + RandomHexId()) {
    EXPECT_TRUE(MakeDirs(dir_).ok());
    MakeAuthority(dir_, "ca");
    MakeCertificate(dir_, "ca", "server", "IP:127.0.0.1");
    security_.certificate = Path("server.pem");
    security_.key = Path("server.key");
    security_.principals = Path("principals");
    security_.model_roots = {std::filesystem::current_path().string() + "/tests/data"};
    security_.reload = std::chrono::seconds(1);
  }
  ~SecureService() override {
    StopServer();
    std::filesystem::remove_all(dir_);
  }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  // Adds a principal with a token in the file <name>.token.
  void AddToken(const std::string& name, const std::string& role) {
    const std::string credential = MakeToken(Path(name + ".token"));
    std::ofstream(Path("principals"), std::ios::app)
        << name << " " << role << " " << credential << "\n";
  }
  void AddLine(const std::string& line) {
    std::ofstream(Path("principals"), std::ios::app) << line << "\n";
  }

  void StartServer(const std::string& address = "127.0.0.1:0") {
    store_ = *OpenSqliteJobStore(Path("rondo.db"));
    coordinator_ = *Coordinator::Create({store_.get(), &clock_, Path("artifacts")});
    metrics_ = std::make_shared<Metrics>();
    auto server = Server::Start({address, coordinator_.get(), security_, metrics_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void StopServer() {
    server_.reset();
    coordinator_.reset();
    store_.reset();
  }

  // Over TLS, trusting `authority`, as nobody.
  ConnectionOptions Anonymous(const std::string& authority = "ca") const {
    return {.address = server_->address(),
            .authorities = Path(authority + ".pem"),
            .reload = std::chrono::seconds(1)};
  }
  ConnectionOptions WithToken(const std::string& name) const {
    ConnectionOptions options = Anonymous();
    options.token_file = Path(name + ".token");
    return options;
  }
  ConnectionOptions WithCertificate(const std::string& name) const {
    ConnectionOptions options = Anonymous();
    options.certificate = Path(name + ".pem");
    options.key = Path(name + ".key");
    return options;
  }

  std::string dir_;
  SecurityOptions security_;
  SystemClock clock_;
  std::shared_ptr<Metrics> metrics_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Server> server_;
};

}  // namespace rondo
