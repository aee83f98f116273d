// server/config_file.h - files in the style of redis.conf.
//
//   # a comment
//   name argument argument ...        blanks separate; "..." with \n \r \t \b \a \\ \" \xHH, '...' with \'
//
// Errors name the file and the line. Threads: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"
#include "resp/config.h"

namespace varve::server {

struct Setting {
  std::string name;
  std::string value;  // the arguments, joined by blanks
  std::string where;  // "varve.conf:12", "--port"; for messages
};

// The words of one line; kInvalidArgument for unbalanced quotes.
lsm::Result<std::vector<std::string>> SplitLine(std::string_view line);
lsm::Result<std::vector<Setting>> ReadConfigFile(const std::string& path);

// Writes the live settings into the file: in place where it names them, else at the end if they are not the defaults.
// Everything else stays, comments included. The file is replaced whole, or not at all.
lsm::Status RewriteConfigFile(const std::string& path, const resp::Config& config);

}  // namespace varve::server
