// lsm/format/internal_key.h - a version of a key: which write made it, and what the write was.
//
//   trailer : u64 = sequence << 8 | kind
//
// Order of versions: user key ascending (bytewise), then trailer descending, so the newest version of a key comes
// first. The user key and the trailer travel side by side as two values; they are never glued into one string to be
// searched for.
#pragma once

#include <cstdint>
#include <string_view>

namespace varve::lsm {

using SequenceNumber = uint64_t;  // one per operation of a batch; 1 is the first; 56 bits
inline constexpr SequenceNumber kSequenceMax = (uint64_t{1} << 56) - 1;

// On disk in the WAL and in tables: the numbers are fixed for ever.
enum class ValueKind : uint8_t {
  kDelete = 0,
  kPut = 1,
  kRangeDelete = 2,    // WAL and batches only; tables keep range tombstones in a block of their own
  kMerge = 3,          // the value is an operand: what it makes of the older versions says the merge operator
  kPutWithExpiry = 4,  // the value begins with its expiry: u64, milliseconds of wall clock time; no value from then on
  kValuePointer = 5,   // tables only: a put whose value lies in a value-log file (value_pointer.h)
  kIngest = 6,         // WAL only: a sequence of a table that Db::Ingest took in; carries nothing
};

inline constexpr size_t kExpirySize = 8;  // in front of the value of a kPutWithExpiry

inline constexpr uint64_t PackTrailer(SequenceNumber seq, ValueKind kind) {
  return seq << 8 | static_cast<uint64_t>(kind);
}
inline constexpr SequenceNumber TrailerSequence(uint64_t trailer) {
  return trailer >> 8;
}
inline constexpr ValueKind TrailerKind(uint64_t trailer) {
  return static_cast<ValueKind>(trailer & 0xff);
}
// Seeking (key, MaxTrailer(s)) finds the newest version of key with sequence <= s.
inline constexpr uint64_t MaxTrailer(SequenceNumber seq) {
  return seq << 8 | 0xff;
}

// <0, 0, >0 in the order of versions above.
inline int CompareVersions(std::string_view key_a, uint64_t trailer_a, std::string_view key_b, uint64_t trailer_b) {
  int c = key_a.compare(key_b);
  if (c != 0) return c;
  return trailer_a > trailer_b ? -1 : trailer_a < trailer_b ? 1 : 0;
}

// The first eight bytes as a big-endian integer, zero-padded: a < b as integers implies a < b as keys; equal tells
// nothing.
inline uint64_t KeyPrefix(std::string_view key) {
  uint64_t prefix = 0;
  if (key.size() >= 8) {
    __builtin_memcpy(&prefix, key.data(), 8);
  } else if (!key.empty()) {
    __builtin_memcpy(&prefix, key.data(), key.size());
  }
  return __builtin_bswap64(prefix);
}

}  // namespace varve::lsm
