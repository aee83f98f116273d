// lsm/table/filter.h - the Bloom filter of a table: says "certainly not here" for most keys that are not.
//
//   | probes : u8 | line 0 : 64 bytes | line 1 | ... |
//
// All bits of a key lie in one line of 512 bits, so a question costs one cache miss. From the key's hash h (64 bits):
//   line   = (h >> 32) * number of lines >> 32
//   bit k  = (low half of h) * 0x9e3779b9^(k+1) mod 2^32 >> 23,  k = 0 .. probes-1;  bit b is byte b / 8, 1 << b % 8
// A leading byte outside 1..30 is a format this build does not know: the filter is then left aside, which costs only
// speed. At 10 bits a key 1 question of 100 is answered "maybe" in vain; a filter with whole-table bits would give
// 0.84. Threads: a reader is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/hash.h"

namespace varve::lsm {

inline constexpr size_t kFilterLineSize = 64;

// What filters are built from and asked about.
inline uint64_t FilterHash(std::string_view key) {
  return HashKey(key);
}

// The filter of the keys with these hashes; empty when there are none or bits_per_key <= 0.
std::string BuildFilter(const std::vector<uint64_t>& hashes, double bits_per_key);
// How large that is.
size_t FilterSize(size_t keys, double bits_per_key);
// How many of the questions about absent keys a filter with so many bits for each key answers "maybe"; 1 without one.
double FilterFalsePositiveRate(double bits_per_key);

class FilterReader {
 public:
  FilterReader() = default;  // knows nothing: every key may be here
  // Copies the bytes, so that lines lie on cache lines. What is not a filter gives one that knows nothing.
  explicit FilterReader(std::string_view bytes);

  bool empty() const { return line_count_ == 0; }
  size_t memory_bytes() const { return line_count_ * kFilterLineSize; }

  void Prefetch(uint64_t hash) const {
    if (line_count_ != 0) __builtin_prefetch(LineOf(hash));
  }
  bool MayContain(uint64_t hash) const {
    if (line_count_ == 0) return true;
    const unsigned char* line = LineOf(hash);
    uint32_t h = static_cast<uint32_t>(hash);
    for (uint32_t k = 0; k < probes_; ++k) {
      h *= 0x9e3779b9u;
      const uint32_t bit = h >> 23;
      if ((line[bit / 8] >> (bit % 8) & 1) == 0) return false;
    }
    return true;
  }

 private:
  struct Line {
    alignas(kFilterLineSize) unsigned char bits[kFilterLineSize];
  };
  const unsigned char* LineOf(uint64_t hash) const {
    return lines_[static_cast<size_t>((hash >> 32) * line_count_ >> 32)].bits;
  }

  std::unique_ptr<Line[]> lines_;
  uint64_t line_count_ = 0;  // fits u32
  uint32_t probes_ = 0;
};

}  // namespace varve::lsm
