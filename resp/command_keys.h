// resp/command_keys.h - which arguments of a request are keys: from the rows of command_table.h.
//
// Threads: a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "resp/command_table.h"
#include "resp/parser.h"

namespace varve::resp {

struct KeyArgument {
  size_t index;    // in the arguments; 0 is the command's name
  uint32_t flags;  // KeyFlag, as these arguments make them
};

// In the order of the row's key specs; channels of shards are none. The arity was checked.
std::vector<KeyArgument> KeysOf(const Command& command, Args args);

}  // namespace varve::resp
