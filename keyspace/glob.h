// keyspace/glob.h - Redis' glob patterns: * ? [abc] [^a-z] and \ to take the next byte as it is.
//
// Same answers as Redis' stringmatchlen for every pattern, but iterative: a star remembers where it stood, and a
// mismatch goes back to the last star only (going back to an earlier one can never help). Cost: at most pattern x text
// steps, bounded by kGlobStepMax, where Redis' recursion was exponential (CVE-2022-36021, CVE-2024-31228). Threads:
// pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace varve::keyspace {

// A match that would take more steps (pattern bytes looked at) is answered "no". 1 MiB of text against a dozen stars
// stays far below.
inline constexpr size_t kGlobStepMax = size_t{1} << 26;

bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case = false);

// What every match of `pattern` starts with: the bytes before the first special one, escapes resolved.
// `whole` becomes true when the pattern has no special byte at all, so that only the prefix itself matches.
std::string GlobLiteralPrefix(std::string_view pattern, bool* whole);

}  // namespace varve::keyspace
