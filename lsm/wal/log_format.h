// lsm/wal/log_format.h - how records lie in a log. The write-ahead log and the manifest are both logs.
//
//   segment  | record 0 (identity) | record 1 | record 2 | ... | zeros or stale bytes of the file's former life |
//   record   | crc : u32 | length : u32 | tag : u32 | synced : u32 | payload : length bytes |
//
//   crc       crc32c, seeded with the segment's salt, over length, tag, synced and payload (masked as in crc32c.h)
//   length    payload bytes, >= 1
//   tag       low 32 bits of the segment's number, xor the salt: the old records of a recycled file do not carry it
//   synced    0: nothing known. Otherwise every earlier segment and the first `synced` bytes of this one were durable
//             when this record was written. A bad record below a later record's mark is rot (refuse); above, a torn
//             tail (cut).
//   identity  payload of record 0:
//             "VARVELOG" | format version : u32 = 1 | salt : u32 | segment number : u64 | 484 zeros | salt : u32
//             Its own crc is seeded with 0. The salt stands twice, in different sectors of 512 bytes, so that rot in the
//             identity cannot hide from a reader the durable records behind it.
//   seal      a record whose payload is the one byte 0xff: nothing follows in this segment. Other payloads of one byte
//             are invalid.
//
// All integers little-endian. A record starts right behind its predecessor: no blocks, no padding.
// L1  No length is used before it is checked against the file.
// L2  Bytes inside a payload cannot pose as a record: the salt in tag and crc is random and not told. (The tag alone
//     rules out all but one in 2^32 places, so a search for records is one pass, whatever the payloads hold.)
// L3  A log yields a prefix of what was appended, never a gap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace varve::lsm {

inline constexpr size_t kLogHeaderSize = 16;
inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr std::string_view kLogMagic = "VARVELOG";
inline constexpr size_t kLogIdentitySize = 512;                     // payload of record 0
inline constexpr size_t kLogSaltAt[] = {12, kLogIdentitySize - 4};  // in it
inline constexpr uint8_t kLogSeal = 0xff;

inline constexpr uint32_t LogTag(uint64_t segment_number, uint32_t salt) {
  return static_cast<uint32_t>(segment_number) ^ salt;
}

}  // namespace varve::lsm
