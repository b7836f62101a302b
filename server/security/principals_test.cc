#include "server/security/principals.h"

#include <gtest/gtest.h>

#include "common/io/sha256.h"

namespace rondo {
namespace {

std::string Hash(const std::string& token) { return "sha256:" + Sha256Hex(token); }

absl::Status ErrorOf(const std::string& text) { return Principals::Parse(text, "p").status(); }

TEST(Principals, TokensAndNamesInCertificates) {
  const auto principals = Principals::Parse("# who\nalice client " + Hash("old") + "\n" +
                                                "alice client " + Hash("new") + "  # rotating\n" +
                                                "\ngpu-7\tworker  dns:gpu-7.example\r\n" +
                                                "ops admin uri:spiffe://example/ops",
                                            "p");
  ASSERT_TRUE(principals.ok()) << principals.status();
  EXPECT_EQ(principals->OfToken("old")->name, "alice");
  EXPECT_EQ(principals->OfToken("new")->role, Role::kClient);
  EXPECT_FALSE(principals->OfToken("").has_value());
  EXPECT_FALSE(principals->OfToken("neww").has_value());
  EXPECT_FALSE(principals->OfToken(Hash("new")).has_value());
  EXPECT_EQ(principals->OfCertificate({"dns:other", "dns:gpu-7.example"})->role, Role::kWorker);
  EXPECT_EQ(principals->OfCertificate({"uri:spiffe://example/ops"})->role, Role::kAdmin);
  // A name of one kind is not one of another, and a certificate cannot show a hash.
  EXPECT_FALSE(principals->OfCertificate({"uri:gpu-7.example", Hash("new")}).has_value());
  EXPECT_FALSE(principals->OfCertificate({}).has_value());
  EXPECT_TRUE(principals->has_tokens());
  EXPECT_TRUE(principals->has_certificates());
}

TEST(Principals, AHashIsReadInBothCases) {
  std::string upper = Sha256Hex("t");
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(Principals::Parse("a client sha256:" + upper, "p")->OfToken("t")->name, "a");
}

TEST(Principals, WrongLinesAreNamed) {
  EXPECT_EQ(ErrorOf("\na client"),
            absl::InvalidArgumentError(
                "p, line 2: there are 2 words; NAME ROLE CREDENTIAL are expected"));
  EXPECT_EQ(ErrorOf("a root dns:x"),
            absl::InvalidArgumentError(
                "p, line 1: the role is \"root\"; it must be client, worker or admin"));
  EXPECT_EQ(ErrorOf("a client secret"),
            absl::InvalidArgumentError("p, line 1: the third word must be sha256:HASH of a token, "
                                       "or dns:NAME or uri:URI of a certificate"));
  EXPECT_EQ(
      ErrorOf("a client sha256:123"),
      absl::InvalidArgumentError("p, line 1: sha256: must be followed by 64 hexadecimal digits"));
  EXPECT_EQ(ErrorOf("a client dns:x\nb admin dns:x"),
            absl::InvalidArgumentError("p, line 2: its credential is also that of a"));
  EXPECT_EQ(ErrorOf("a client dns:x\na admin dns:y"),
            absl::InvalidArgumentError(
                "p, line 2: a is admin here and client above; a name has one role"));
  EXPECT_EQ(ErrorOf("# nobody\n"),
            absl::InvalidArgumentError("p names nobody; a line is NAME ROLE CREDENTIAL"));
  EXPECT_EQ(Principals::Load("/nowhere/p").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rondo
