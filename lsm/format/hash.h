// lsm/format/hash.h - the one hash of user keys, on disk in filters and bucket tables: XXH3, 64 bits, seed 0.
//
// A change of this function is a new format version. Inlined, because for short keys the call costs as much as the
// hash. Hashes of keys from outside can be made to collide by whoever chooses the keys; what uses them may only lose
// speed.
#pragma once

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace varve::lsm {

inline uint64_t HashKey(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

}  // namespace varve::lsm
