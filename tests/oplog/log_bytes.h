// tests/oplog/log_bytes.h - a log as bytes, for who mutates bytes: all bytes mean a log, and a small change mostly one
// that is like it.
//
//   log         operations, until the bytes run out
//   operation   | work : 2 bits, kind : 6 bits | the numbers of its kind | changes, if its kind has any |
//   changes     | count : u8 | so many operations, of the kinds that may be among them |
//   number      | 0 to 191 : u8 |   or   | 192 + n / 256 : u8 | n % 256 : u8 |
//
//   key         stands for 17 times the number, round the end: a byte names keys all over the order
//   end         counts from `key` on, round the end: a byte names the near ones; 0 after key 0 is no bound
//   slot        counts from 0
//   ms          16383 of what expires: hardly ever
//
// Whatever lies beyond its limit is divided by it, and the rest counts; the limits are those of what Generate draws.
// Bytes that are not there any more are zeros.
#pragma once

#include <string>

#include "tests/fuzz/fuzz_input.h"
#include "tests/oplog/operation_log.h"

namespace varve::lsm {

// The next one. `input` is not empty.
Operation DecodeOperation(fuzz::FuzzInput* input);
// Numbers beyond their limits become others.
std::string Encode(const Log& log);

}  // namespace varve::lsm
