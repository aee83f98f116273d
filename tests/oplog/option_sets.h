// tests/oplog/option_sets.h - the options that a log of operations is played under.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/model/option_sets.h"

namespace varve::lsm {

// So many at the front differ the most.
inline constexpr size_t kFirstSets = 8;

std::vector<OptionSet> LogOptionSets();

}  // namespace varve::lsm
