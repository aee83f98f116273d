// resp/look_ahead.h - which keys the requests that lie in a read buffer will ask for, before they are parsed and run.
//
// A hint and no more: whoever looks ahead decides nothing by it (Keyspace::Prefetch). So it sees short requests in their
// common form only, and stops at the first that is not: an inline one, one of many words, one that is not there whole.
// Threads: free functions, no state.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "resp/command_table.h"

namespace varve::resp {

struct Glimpse {
  size_t size = 0;         // of the request, in bytes
  std::string_view name;   // of the command
  std::string_view first;  // argument; empty when there is none
};
// The request that `data` begins with.
std::optional<Glimpse> GlimpseRequest(std::string_view data);

// Whether the command reads the record of one key, its first argument.
bool ReadsFirstArgument(const Command& command);

}  // namespace varve::resp
