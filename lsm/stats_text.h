// lsm/stats_text.h - what Stats and Verify report, as text for people and as JSON for programs.
//
//   text  one "name value" a line; "level 1 files 3 bytes 4096" for each level that has files
//   JSON  one object; levels as an array of {"level", "files", "bytes"}; names are those of the structs
// Names may be added later, never changed. Threads: free functions on the caller's values.
#pragma once

#include <string>
#include <string_view>

#include "lsm/db.h"

namespace varve::lsm {

std::string StatsText(const DbStats& stats);
std::string StatsJson(const DbStats& stats);
std::string VerifyJson(const VerifyReport& report);

// `bytes` in quotes, as JSON wants it. JSON strings are Unicode: bytes that are not UTF-8 become U+FFFD, so use it for
// messages and names, not for keys.
std::string JsonString(std::string_view bytes);

}  // namespace varve::lsm
