// resp/key_flags.h - what a command does to its key where that depends on the arguments (KeySpec::flags_of).
//
// Arguments may be anything: what could not run is taken for the worst. Threads: pure functions.
#pragma once

#include <cstdint>

#include "resp/parser.h"

namespace varve::resp {

uint16_t KeyFlagsOfBitField(Args args);
uint16_t KeyFlagsOfSet(Args args);

}  // namespace varve::resp
