#include "proto/rpc/tls.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/io/file.h"

namespace rondo {
namespace {

constexpr int64_t kLargestFile = 1 << 20;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;

absl::StatusOr<Bio> Open(const std::string& path, std::string* contents) {
  ASSIGN_OR_RETURN(*contents, ReadFile(path, kLargestFile));
  return Bio(BIO_new_mem_buf(contents->data(), static_cast<int>(contents->size())));
}

// The first certificate of a file.
absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  std::string contents;
  ASSIGN_OR_RETURN(const Bio bio, Open(path, &contents));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no certificate; it must be PEM, BEGIN CERTIFICATE"));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate in ", path, " has expired; replace it"));
  }
  return certificate;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  std::string contents;
  ASSIGN_OR_RETURN(const Bio bio, Open(path, &contents));
  // The empty passphrase: a service has nobody to ask for one.
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")));
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " holds no private key; it must be PEM, without a passphrase"));
}

}  // namespace

absl::Status CheckTlsFiles(const TlsFiles& files) {
  if (!files.authorities.empty()) RETURN_IF_ERROR(ReadCertificate(files.authorities).status());
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.key.empty() ? files.certificate : files.key, " is given without its ",
                     files.key.empty() ? "private key" : "certificate",
                     "; a certificate and its key go together"));
  }
  if (files.certificate.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(files.certificate));
  ASSIGN_OR_RETURN(const Key key, ReadKey(files.key));
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(files.key, " is not the key of the certificate in ", files.certificate));
}

std::shared_ptr<grpc::experimental::CertificateProviderInterface> WatchTlsFiles(
    const TlsFiles& files, std::chrono::seconds reload) {
  return std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.authorities, static_cast<unsigned>(reload.count()));
}

}  // namespace rondo
