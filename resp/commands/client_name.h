// resp/commands/client_name.h - names that clients give themselves (CLIENT SETNAME, HELLO SETNAME, CLIENT SETINFO).
#pragma once

#include <string_view>

#include "resp/command_context.h"

namespace varve::resp {

// Printable and without blanks, so that a line of CLIENT LIST can be split.
bool IsClientAttribute(std::string_view text);
// Empty takes the name away. False: the error reply is written.
bool SetClientName(std::string_view name, CommandContext& c);

}  // namespace varve::resp
