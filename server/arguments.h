// server/arguments.h - what `varve-server` was told: varve-server [FILE] [--name value ...].
//
// Flags carry the names of the configuration file and win over it; the last of several wins. As with redis-server,
// everything up to the next --flag belongs to the value. Redis' settings that have nothing to act on here are taken
// with a warning, so that a redis.conf can be brought along; those whose neglect would be a danger or a lie are
// refused. Threads: values.
#pragma once

#include <string>
#include <vector>

#include "lsm/status.h"
#include "resp/config.h"

namespace varve::server {

struct Arguments {
  bool help = false;
  bool version = false;
  bool json_log = false;    // --log-format json
  std::string config_file;  // absolute; empty: none
  std::vector<std::string> warnings;
};

// Fills *config. Errors name the flag, or the file and line.
lsm::Result<Arguments> ParseArguments(const std::vector<std::string>& words, resp::Config* config);
std::string HelpText();

}  // namespace varve::server
