// lsm/table/filter.h - the filter of a table: says "certainly not here" for most keys that are not.
//
//   | kind : u8 = 0xf3 | seed : u8 | width : u8 | segment : u8 | slots : u32 | wide_from : u32 | bits | 4 bytes of 0 |
//
// A 3-wise binary fuse filter (Graf and Lemire, 2022). Each key has three slots, in three neighbouring segments of
// 2^segment slots, and what they hold, xored, is the key's fingerprint. For a key that is not here it is so in 1 case
// of 2^width. From the key's hash, with all arithmetic mod 2^64:
//   h      = (hash ^ seed * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;  h ^= h >> 32
//   slot 0 = (h >> 32) * (slots - 2 segments) >> 32
//   slot 1 = slot 0, a segment further, its low bits xored with h >> 16;  slot 2 = two further, xored with h
//   fingerprint = low bits of h ^ h >> 32
// Slots lie one behind the other, low bits first; bit b is byte b / 8, 1 << b % 8. From slot `wide_from` on they have
// width + 1 bits, and so has the fingerprint of a key all of whose slots have: so no bit of the budget is left over.
// F1  Another kind is a format this build does not know: that filter is left aside, which costs only speed.
// F2  Nothing is used before it is checked: bytes that are not a filter give one that knows nothing.
// F3  The bytes follow from the set of hashes and the budget alone.
// Why not a Bloom filter: at 10 bits a key it answers 1 question of 100 in vain, this one 1 of 350. For that it looks
// at three cache lines, not one, and needs all hashes and four times as long to be built (docs/experiments.md).
// Threads: a reader is immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/format/hash.h"
#include "lsm/format/prefetch.h"

namespace varve::lsm {

// What filters are built from and asked about.
inline uint64_t FilterHash(std::string_view key) {
  return HashKey(key);
}

// The filter of the keys with these hashes; hashes may be equal. Empty when there are none or bits_per_key <= 0, and
// when no seed works, which takes a hostile choice of keys. Takes 16 bytes a key of memory meanwhile.
std::string BuildFilter(const std::vector<uint64_t>& hashes, double bits_per_key);
// How large that is: within the budget from 4096 keys on; fewer need more slots each and may get more.
size_t FilterSize(size_t keys, double bits_per_key);
// How many of the questions about absent keys a filter of this size answers "maybe"; 1 without one.
double FilterFalsePositiveRate(size_t keys, size_t filter_size);

// Where keys and slots lie: the fields of the drawing above.
struct FilterShape {
  static constexpr size_t kHeaderSize = 12;

  uint32_t seed = 0;
  uint32_t width = 0;
  uint32_t segment_bits = 0;
  uint32_t slots = 0;  // 0: no filter
  uint32_t wide_from = 0;

  uint32_t segment() const { return uint32_t{1} << segment_bits; }
  uint32_t window() const { return slots - 2 * segment(); }  // where slot 0 can be
  uint64_t Mix(uint64_t hash) const {
    const uint64_t h = (hash ^ seed * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
  }
  std::array<uint32_t, 3> SlotsOf(uint64_t h) const {
    const auto first = static_cast<uint32_t>((h >> 32) * window() >> 32);
    const uint32_t low = segment() - 1;
    return {first, (first + segment()) ^ (static_cast<uint32_t>(h >> 16) & low),
            (first + 2 * segment()) ^ (static_cast<uint32_t>(h) & low)};
  }
  uint64_t FirstBit(uint32_t slot) const { return uint64_t{slot} * width + (slot > wide_from ? slot - wide_from : 0); }
  // The bits that a slot has, or a key whose slot 0 this is.
  uint32_t Mask(uint32_t slot) const { return (uint32_t{1} << (width + (slot >= wide_from ? 1 : 0))) - 1; }
  // More bits than were asked for; the caller masks.
  uint32_t Load(const char* bits, uint32_t slot) const {
    const uint64_t bit = FirstBit(slot);
    return DecodeFixed32(bits + bit / 8) >> bit % 8;
  }
  static uint32_t Fingerprint(uint64_t h) { return static_cast<uint32_t>(h ^ h >> 32); }
};

class FilterReader {
 public:
  FilterReader() = default;  // knows nothing: every key may be here
  // Copies the bytes. What is not a filter gives one that knows nothing.
  explicit FilterReader(std::string_view bytes);

  bool empty() const { return shape_.slots == 0; }
  size_t memory_bytes() const { return size_; }

  void Prefetch(uint64_t hash) const {
    if (empty()) return;
    for (const uint32_t slot : shape_.SlotsOf(shape_.Mix(hash))) {
      PrefetchLine(bits() + shape_.FirstBit(slot) / 8);
    }
  }
  bool MayContain(uint64_t hash) const {
    if (empty()) return true;
    const uint64_t h = shape_.Mix(hash);
    const auto [a, b, c] = shape_.SlotsOf(h);
    const uint32_t found = shape_.Load(bits(), a) ^ shape_.Load(bits(), b) ^ shape_.Load(bits(), c);
    return ((found ^ FilterShape::Fingerprint(h)) & shape_.Mask(a)) == 0;
  }

 private:
  const char* bits() const { return bytes_.get() + FilterShape::kHeaderSize; }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  FilterShape shape_;
};

}  // namespace varve::lsm
