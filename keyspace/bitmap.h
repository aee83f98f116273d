// keyspace/bitmap.h - a string's bytes as a row of bits.
//
// Bit 0 is the highest of byte 0, bit 7 its lowest, bit 8 the highest of byte 1: places are bits from there, as Redis
// counts them. Ranges are [first, limit). What lies behind the bytes reads as zeros where said.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::keyspace {

inline constexpr uint64_t kNoBit = UINT64_MAX;

// Set bits in [first, limit); both at most 8 * bytes.size().
uint64_t CountBits(std::string_view bytes, uint64_t first, uint64_t limit);
// The first bit in [first, limit) that is `bit`, or kNoBit. Both at most 8 * bytes.size().
uint64_t FindBit(std::string_view bytes, bool bit, uint64_t first, uint64_t limit);

// The `width` bits (1 to 64) from `place` on as a number, the first bit its highest. Zeros behind the bytes.
uint64_t LoadBits(std::string_view bytes, uint64_t place, unsigned width);
// The lowest `width` bits of `value` into [place, place + width), which lies within `bytes`.
void StoreBits(std::string* bytes, uint64_t place, unsigned width, uint64_t value);

enum class BitOperation : uint8_t { kAnd, kOr, kXor };
// *bytes = *bytes OPERATION other, the shorter of both lengthened by zeros.
void CombineBits(BitOperation operation, std::string_view other, std::string* bytes);
void InvertBits(std::string* bytes);

}  // namespace varve::keyspace
