// The polynomial is handled in its reflected form throughout: bit 31 of a word is the coefficient of x^0.
#include "lsm/format/crc32c.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace varve::lsm {
namespace crc32c_internal {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

// value * x mod P.
constexpr uint32_t TimesX(uint32_t value) {
  return (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
}

using SliceTables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b]: the checksum of byte b followed by k zero bytes, without the inversions.
constexpr SliceTables MakeSliceTables() {
  SliceTables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = TimesX(crc);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t crc = tables[k - 1][b];
      tables[k][b] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr SliceTables kSlices = MakeSliceTables();

uint64_t Load64(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

}  // namespace

uint32_t Portable(uint32_t seed, std::string_view data) {
  uint32_t crc = ~seed;
  const char* p = data.data();
  size_t left = data.size();
  for (; left >= 8; p += 8, left -= 8) {
    const uint64_t word = Load64(p) ^ crc;
    crc = kSlices[7][word & 0xff] ^ kSlices[6][word >> 8 & 0xff] ^ kSlices[5][word >> 16 & 0xff] ^
          kSlices[4][word >> 24 & 0xff] ^ kSlices[3][word >> 32 & 0xff] ^ kSlices[2][word >> 40 & 0xff] ^
          kSlices[1][word >> 48 & 0xff] ^ kSlices[0][word >> 56];
  }
  for (; left > 0; ++p, --left) crc = (crc >> 8) ^ kSlices[0][(crc ^ static_cast<unsigned char>(*p)) & 0xff];
  return ~crc;
}

#if defined(__x86_64__)
namespace {

constexpr size_t kWordsPerStreamMax = 128;   // 3 KiB a round: joining costs nothing against that, constants take 1 KiB
constexpr size_t kInterleaveBytesMin = 192;  // below it, joining costs more than it saves

struct JoinConstants {
  uint32_t over_one;  // x^(64 n - 33) mod P: moves a checksum over one stream of n words
  uint32_t over_two;  // x^(128 n - 33) mod P: over two
};

// The carry-less product of two reflected 32-bit words, read as a reflected 64-bit word, is a * b * x; the crc32
// instruction multiplies by another x^32. Hence the 33.
constexpr auto MakeJoinConstants() {
  std::array<JoinConstants, kWordsPerStreamMax + 1> table{};
  uint32_t power = 0x80000000;  // x^0
  size_t exponent = 0;
  for (size_t words = 1; words <= 2 * kWordsPerStreamMax; ++words) {
    for (; exponent < 64 * words - 33; ++exponent) power = TimesX(power);
    if (words <= kWordsPerStreamMax) table[words].over_one = power;
    if (words % 2 == 0) table[words / 2].over_two = power;
  }
  return table;
}

constexpr auto kJoin = MakeJoinConstants();

__attribute__((target("sse4.2,pclmul"))) inline uint64_t Multiply(uint64_t a, uint32_t b) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(a)), _mm_cvtsi32_si128(static_cast<int32_t>(b)), 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

}  // namespace

bool HasHardware() {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

__attribute__((target("sse4.2,pclmul"))) uint32_t Hardware(uint32_t seed, std::string_view data) {
  uint64_t crc = static_cast<uint32_t>(~seed);
  const char* p = data.data();
  size_t left = data.size();
  while (left >= kInterleaveBytesMin) {
    const size_t words = left / 24 < kWordsPerStreamMax ? left / 24 : kWordsPerStreamMax;
    const size_t stream = words * 8;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const char* end = p + stream; p < end; p += 8) {
      crc = _mm_crc32_u64(crc, Load64(p));
      second = _mm_crc32_u64(second, Load64(p + stream));
      third = _mm_crc32_u64(third, Load64(p + 2 * stream));
    }
    crc = third ^ _mm_crc32_u64(0, Multiply(crc, kJoin[words].over_two) ^ Multiply(second, kJoin[words].over_one));
    p += 2 * stream;
    left -= 3 * stream;
  }
  for (; left >= 8; p += 8, left -= 8) crc = _mm_crc32_u64(crc, Load64(p));
  auto narrow = static_cast<uint32_t>(crc);
  for (; left > 0; ++p, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*p));
  return ~narrow;
}
#else
bool HasHardware() {
  return false;
}

uint32_t Hardware(uint32_t seed, std::string_view data) {
  return Portable(seed, data);
}
#endif

}  // namespace crc32c_internal

namespace {

using Function = uint32_t (*)(uint32_t, std::string_view);

uint32_t ChooseAndRun(uint32_t seed, std::string_view data);

// Constant-initialised, so that checksums work before main(); the first call puts the chosen function here.
std::atomic<Function> chosen{&ChooseAndRun};

uint32_t ChooseAndRun(uint32_t seed, std::string_view data) {
  const Function function = crc32c_internal::HasHardware() ? &crc32c_internal::Hardware : &crc32c_internal::Portable;
  chosen.store(function, std::memory_order_relaxed);
  return function(seed, data);
}

}  // namespace

uint32_t Crc32c(uint32_t seed, std::string_view data) {
  return chosen.load(std::memory_order_relaxed)(seed, data);
}

}  // namespace varve::lsm
