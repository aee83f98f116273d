// lsm/wal/log_format.h - how records lie in a log. The write-ahead log and the manifest are both logs.
//
//   segment  | record 0 (identity) | record 1 | record 2 | ... | zeros or stale bytes of the file's former life |
//   record   | crc : u32 | length : u32 | segment : u32 | synced : u32 | payload : length bytes |
//
//   crc      crc32c, seeded with the segment's salt, over length, segment, synced and payload (masked as in
//   format/crc32c.h) length   payload bytes, >= 1 segment  low 32 bits of the segment's number: a recycled file's old
//   records do not count synced   0: nothing known. Otherwise every earlier segment and the first `synced` bytes of
//   this one were durable when
//            this record was written. A bad record below a later record's mark is rot (refuse); above it, a torn tail
//            (cut).
//   identity payload of record 0: "VARVELOG" | format version : u32 = 1 | salt : u32 | segment number : u64. Its own
//   crc is seeded with 0. seal     a record whose payload is the one byte 0xff: nothing follows in this segment. Other
//   payloads of one byte are invalid.
//
// All integers little-endian. A record starts right behind its predecessor: no blocks, no padding.
// L1  No length is used before it is checked against the file.       L2  Salted checksums: bytes inside a payload
// cannot pose L3  A log yields a prefix of what was appended, never a gap.           as a record, since the salt is
// random and not told.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::lsm {

inline constexpr size_t kLogHeaderSize = 16;
inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr size_t kLogIdentitySize = 24;  // payload of record 0
inline constexpr uint8_t kLogSeal = 0xff;

}  // namespace varve::lsm
