// Where this user's programs keep what can be made again. Reads the environment.
#pragma once

#include <string>

namespace rondo {

// "$XDG_CACHE_HOME/rondo/<name>", else below ~/.cache, else below /var/tmp/.cache.
std::string UserCacheDir(const std::string& name);

}  // namespace rondo
