// keyspace/dump.h - one value in the bytes that Redis' DUMP gives and RESTORE takes.
//
//   | type : u8 = 0, a string | string | version : u16 = 10 | crc : u64 |
//
//   string    | length | bytes |                  or, the first two bits being 11:
//             | c0 | i8 |     | c1 | i16 |    | c2 | i32 |       the number's decimal digits
//             | c3 | length, packed | length | bytes in LZF |
//   length    00nnnnnn | 01nnnnnn n : u8 | 80 n : u32 | 81 n : u64, here alone the highest byte comes first
//   LZF       000nnnnn, then n + 1 bytes as they are
//             lllddddd [m : u8 if l == 7] d : u8, then l + m + 2 bytes from d + 1 back (which may overlap)
//
// Integers without a word about them are little-endian. The checksum is over all bytes before it: CRC-64 of Jones'
// polynomial, reflected, from 0. Written are integers where they fit, LZF above 20 bytes where it saves four, packed as
// Redis packs. Read is what versions up to 10 write. Bytes that are left over are an error here, not so in Redis.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::keyspace {

void EncodeDump(std::string_view value, std::string* out);

enum class DumpCheck : uint8_t {
  kSound,
  kBadFooter,  // too short, a newer version, or another checksum
  kBadData,    // no string, or one that is malformed or longer than allowed
};
// No more is allocated than the payload can unpack to, and than `size_max`.
DumpCheck DecodeDump(std::string_view payload, size_t size_max, std::string* value);

// As in the footer; for tests that make payloads.
uint64_t DumpChecksum(std::string_view bytes);

}  // namespace varve::keyspace
