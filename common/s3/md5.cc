#include "common/s3/md5.h"

#include <openssl/evp.h>

namespace rondo {

struct Md5::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Md5::Md5() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context.get(), EVP_md5(), nullptr);
}

Md5::~Md5() = default;

void Md5::Update(std::span<const std::byte> data) {
  EVP_DigestUpdate(state_->context.get(), data.data(), data.size());
}

std::string Md5::Finish() {
  std::string digest(EVP_MD_size(EVP_md5()), '\0');
  EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(digest.data()),
                     nullptr);
  EVP_DigestInit_ex(state_->context.get(), EVP_md5(), nullptr);
  return digest;
}

}  // namespace rondo
