// tests/oplog/shrink.h - makes a log that fails small: fewer operations (delta debugging, "ddmin"), then simpler ones.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "tests/oplog/operation_log.h"

namespace varve::lsm {

// At which operation a log fails, if at any.
using FindFailure = std::function<std::optional<size_t>(const Log&)>;

// The smallest log found that fails. `log` does. It is played in parts again and again, until no single operation, change
// or number can be spared, or so many operations have been played.
Log Shrink(Log log, const FindFailure& find_failure, uint64_t operations_max);

}  // namespace varve::lsm
