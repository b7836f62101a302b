// MD5 (RFC 1321), through OpenSSL: what S3 identifies contents by. Not thread-safe per object.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace rondo {

class Md5 {
 public:
  Md5();
  ~Md5();
  void Update(std::span<const std::byte> data);
  std::string Finish();  // 16 bytes; starts anew

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rondo
