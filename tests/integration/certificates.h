// Authorities and certificates as an operator makes them, with the openssl program.
#pragma once

#include <string>

namespace rondo {

// Writes <dir>/<name>.pem and <dir>/<name>.key.
void MakeAuthority(const std::string& dir, const std::string& name);

// Likewise, signed by an authority of that folder. `names` are those of the certificate:
// "IP:127.0.0.1", "DNS:gpu-7", "URI:spiffe://x/y", with commas. Files are renamed into place, the
// key first, as a rotation should.
void MakeCertificate(const std::string& dir, const std::string& authority, const std::string& name,
                     const std::string& names);

// The line of docs/security.md: a new token in `file`; what a file of principals holds of it.
std::string MakeToken(const std::string& file);

}  // namespace rondo
