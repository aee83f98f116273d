// lsm/format/crc32c.h - CRC-32C (Castagnoli, polynomial 0x1edc6f41, reflected): the checksum of logs and tables.
//
// Two implementations with equal results, chosen once at run time: SSE4.2 with three interleaved streams (a crc32
// instruction takes three cycles but one can start each cycle) joined by a carry-less multiply; and slicing-by-8 for
// machines without.
//
// Why masked: a checksum over bytes that themselves contain a checksum is weak; what is stored is rotated and offset.
// Threads: functions without visible state.
#pragma once

#include <cstdint>
#include <string_view>

namespace varve::lsm {

// Of the bytes already covered by `seed` (0: none) followed by `data`: Crc32c(Crc32c(0, a), b) == Crc32c(0, ab).
uint32_t Crc32c(uint32_t seed, std::string_view data);

inline constexpr uint32_t kCrcMaskDelta = 0xa282ead8;

inline constexpr uint32_t MaskCrc(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + kCrcMaskDelta;
}
inline constexpr uint32_t UnmaskCrc(uint32_t masked) {
  const uint32_t rotated = masked - kCrcMaskDelta;
  return (rotated >> 17) | (rotated << 15);
}

// The two implementations, for tests and benchmarks.
namespace crc32c_internal {
bool HasHardware();
uint32_t Hardware(uint32_t seed, std::string_view data);  // only where HasHardware()
uint32_t Portable(uint32_t seed, std::string_view data);
}  // namespace crc32c_internal

}  // namespace varve::lsm
