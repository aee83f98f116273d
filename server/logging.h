// server/logging.h - the server's log: text for people, or one JSON object a line.
//
//   2026-11-21T04:45:02.123Z notice  1234 Varve 0.1.0 ...
//   {"time":"2026-11-21T04:45:02.123Z","level":"notice","pid":1234,"message":"Varve 0.1.0 ..."}
//
// Goes to standard error, or is appended to a file. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "lsm/status.h"

namespace varve::server {

struct LogOptions {
  std::string file;  // empty: standard error
  std::string level = "notice";
  bool json = false;
};

lsm::Status StartLogging(const LogOptions& options);
// Redis' words: debug, verbose, notice, warning.
void SetLogLevel(std::string_view level);
// As the inside of a JSON string.
std::string JsonEscape(std::string_view text);

}  // namespace varve::server
