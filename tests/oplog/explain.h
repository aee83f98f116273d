// tests/oplog/explain.h - plays a log on a database, and says of one that is answered wrongly all that it takes to play
// it again: the options, the seed, and the smallest log that still fails.
#pragma once

#include <cstdint>
#include <string>

#include "tests/oplog/operation_log.h"
#include "tests/oplog/option_sets.h"
#include "tests/oplog/player.h"

namespace varve::lsm {

// What is right.
Answers AnswersOfAMap(const Log& log);

// Empty: all answers were the ones in `want`. At most so many operations are played to make a log that fails small.
std::string PlayAndExplain(const OptionSet& set, uint64_t seed, const Log& log, const Answers& want,
                           uint64_t operations_max);

}  // namespace varve::lsm
