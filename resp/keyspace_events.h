// resp/keyspace_events.h - notify-keyspace-events: which kinds of change are published, as Redis' letters and as bits.
//
// An event is published to __keyspace@<db>__:<key> (its name is the message) when K is set, and to
// __keyevent@<db>__:<event> (the key is the message) when E is; for classes that are set. A stands for all classes but
// m and n. Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::resp {

enum NotifyClass : uint32_t {
  kNotifyKeyspace = 1u << 0,  // K: where to, not what
  kNotifyKeyevent = 1u << 1,  // E
  kNotifyGeneric = 1u << 2,   // g: del, expire, rename_from ...
  kNotifyString = 1u << 3,    // $
  kNotifyList = 1u << 4,      // l
  kNotifySet = 1u << 5,       // s
  kNotifyHash = 1u << 6,      // h
  kNotifyZset = 1u << 7,      // z
  kNotifyExpired = 1u << 8,   // x
  kNotifyEvicted = 1u << 9,   // e
  kNotifyStream = 1u << 10,   // t
  kNotifyModule = 1u << 11,   // d
  kNotifyNew = 1u << 12,      // n: a key that was not there
  kNotifyKeyMiss = 1u << 13,  // m: a read found none
};

// False when a letter is none of them.
bool ParseNotifyFlags(std::string_view text, uint32_t* flags);
// In Redis' order, with A for all that it stands for.
std::string FormatNotifyFlags(uint32_t flags);

}  // namespace varve::resp
