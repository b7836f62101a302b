#include "tests/integration/certificates.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace rondo {
namespace {

constexpr char kNewKey[] = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

void Run(const std::string& dir, const std::string& script) {
  const std::string command = "cd '" + dir + "' && { " + script + "; } 2>openssl.log";
  ASSERT_EQ(std::system(command.c_str()), 0) << script;
}

}  // namespace

void MakeAuthority(const std::string& dir, const std::string& name) {
  Run(dir, std::string("openssl req -x509 ") + kNewKey + " -keyout " + name + ".key -out " + name +
               ".pem -subj /CN=" + name + " -days 2");
}

void MakeCertificate(const std::string& dir, const std::string& authority, const std::string& name,
                     const std::string& names) {
  std::ofstream(dir + "/names") << "subjectAltName=" << names << "\n";
  Run(dir, std::string("openssl req ") + kNewKey +
               " -keyout new.key -out new.csr -subj /CN=" + name +
               " && openssl x509 -req -in new.csr -CA " + authority + ".pem -CAkey " + authority +
               ".key -CAcreateserial -days 2 -extfile names -out new.pem && mv new.key " + name +
               ".key && mv new.pem " + name + ".pem");
}

std::string MakeToken(const std::string& file) {
  const std::string dir = file.substr(0, file.rfind('/'));
  const std::string name = file.substr(dir.size() + 1);
  Run(dir, "(umask 077; openssl rand -hex 32 >" + name +
               ") && printf 'sha256:%s' \"$(tr -d '\\n' <" + name +
               " | sha256sum | cut -c 1-64)\" >hash");
  std::string credential;
  std::ifstream(dir + "/hash") >> credential;
  return credential;
}

}  // namespace rondo
