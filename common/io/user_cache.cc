#include "common/io/user_cache.h"

#include <cstdlib>

#include "common/io/file.h"

namespace rondo {

std::string UserCacheDir(const std::string& name) {
  const std::string below = JoinPath("rondo", name);
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return JoinPath(cache, below);
  }
  const char* home = std::getenv("HOME");
  return JoinPath(JoinPath(home == nullptr ? "/var/tmp" : home, ".cache"), below);
}

}  // namespace rondo
