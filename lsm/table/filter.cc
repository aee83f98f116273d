#include "lsm/table/filter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

namespace varve::lsm {
namespace {

constexpr uint8_t kKind = 0xf3;
constexpr size_t kPadding = 4;  // so that the last slot is loaded like any other
constexpr size_t kOverhead = FilterShape::kHeaderSize + kPadding;
constexpr uint32_t kWidthMax = 24;            // a 32-bit load that begins at any bit of a byte holds 25
constexpr uint32_t kSegmentBitsMax = 16;      // slots 1 and 2 get 16 bits of the hash each
constexpr double kBitsPerKeyMax = 28;         // kWidthMax in all slots
constexpr size_t kKeysMax = size_t{1} << 31;  // slots are counted in 32 bits; a table with more keys has no filter
constexpr size_t kFewKeys = 4096;             // fewer may take more than their budget...
constexpr double kWidthShareMin = 0.75;       // ...so that a fingerprint has this share of it
// A seed works for nine sets of ten, and for half of the sets of a few keys.
constexpr uint32_t kSeeds = 64, kSeedsBeforeSort = 4;

// Segments are half as large as the paper has them: measured, as few slots are enough and those of a key lie closer.
FilterShape Slots(size_t keys) {
  const double log_keys = std::log(std::max(2.0, static_cast<double>(keys)));
  const double slots_per_key = std::clamp(0.875 + 0.25 * std::log(1e6) / log_keys, 1.14, 1.6);
  FilterShape shape;
  shape.segment_bits = std::min(static_cast<uint32_t>(log_keys / std::log(3.33) + 1.25), kSegmentBitsMax);
  const auto slots = static_cast<uint64_t>(static_cast<double>(keys) * slots_per_key);
  const uint64_t segments = std::max<uint64_t>(3, (slots + shape.segment() - 1) >> shape.segment_bits);
  shape.slots = static_cast<uint32_t>(segments << shape.segment_bits);
  return shape;
}

// Spends the bits of a filter of this size, which is FilterSize, or what a manifest says.
FilterShape ShapeFor(size_t keys, size_t filter_size) {
  if (keys == 0 || keys > kKeysMax || filter_size <= kOverhead) return {};
  FilterShape shape = Slots(keys);
  const uint64_t bits = 8 * uint64_t{filter_size - kOverhead};
  shape.width = static_cast<uint32_t>(std::min<uint64_t>(bits / shape.slots, kWidthMax));
  const uint64_t rest = bits - uint64_t{shape.width} * shape.slots;
  shape.wide_from = shape.slots - static_cast<uint32_t>(std::min<uint64_t>(rest, shape.slots));
  return shape;
}

uint64_t SizeOf(const FilterShape& shape) {
  return kOverhead + (shape.FirstBit(shape.slots) + 7) / 8;
}

void EncodeHeader(const FilterShape& shape, char* to) {
  to[0] = static_cast<char>(kKind);
  to[1] = static_cast<char>(shape.seed);
  to[2] = static_cast<char>(shape.width);
  to[3] = static_cast<char>(shape.segment_bits);
  EncodeFixed32(to + 4, shape.slots);
  EncodeFixed32(to + 8, shape.wide_from);
}

std::optional<FilterShape> DecodeHeader(std::string_view filter) {
  if (filter.size() <= kOverhead || static_cast<uint8_t>(filter[0]) != kKind) return std::nullopt;
  FilterShape shape;
  shape.seed = static_cast<uint8_t>(filter[1]);
  shape.width = static_cast<uint8_t>(filter[2]);
  shape.segment_bits = static_cast<uint8_t>(filter[3]);
  shape.slots = DecodeFixed32(filter.data() + 4);
  shape.wide_from = DecodeFixed32(filter.data() + 8);
  if (shape.width > kWidthMax || shape.segment_bits > kSegmentBitsMax) return std::nullopt;
  if (shape.slots % shape.segment() != 0 || shape.slots / shape.segment() < 3) return std::nullopt;
  if (shape.wide_from > shape.slots || SizeOf(shape) != filter.size()) return std::nullopt;
  return shape;
}

// Gives each key a slot of its own, such that one key after the other can set its slot and no later one touches the
// slots of those before. It is found backwards: a key that has a slot alone comes last; taken away, it leaves others
// alone in theirs. With most seeds no key is left.
class Peeling {
 public:
  explicit Peeling(FilterShape shape)
      : shape_(shape),
        keys_(std::make_unique_for_overwrite<uint64_t[]>(shape.slots)),
        marks_(std::make_unique_for_overwrite<uint8_t[]>(shape.slots)) {}

  // False: this seed does not work.
  bool Run(uint32_t seed, const std::vector<uint64_t>& hashes);
  // After a run that succeeded.
  std::string Filter() const;

 private:
  // Of a slot: so much for each key that has it, xor which of the key's slots it is.
  static constexpr uint8_t kOneKey = 4;
  // Slots on their way from memory while others are worked on.
  static constexpr size_t kAhead = 12;
  // Slots peeled before others are looked at: with their keys they fit into a core's cache.
  static constexpr uint32_t kStretch = 32 * 1024;

  bool Enter(const std::vector<uint64_t>& hashes);

  FilterShape shape_;
  std::unique_ptr<uint64_t[]> keys_;  // of each slot: the mixed hashes of its keys xored; of one key, that key
  std::unique_ptr<uint8_t[]> marks_;
  std::vector<uint32_t> order_;  // the slots that keys got for their own, as they were peeled
};

bool Peeling::Enter(const std::vector<uint64_t>& hashes) {
  const FilterShape shape = shape_;  // bytes may alias anything: what loops need is in locals
  uint64_t* const keys = keys_.get();
  uint8_t* const marks = marks_.get();
  std::fill_n(keys, shape.slots, 0);
  std::fill_n(marks, shape.slots, uint8_t{0});
  uint32_t overflow = 0;
  const size_t last = hashes.size() - 1;
  for (size_t i = 0; i <= last; ++i) {
    for (const uint32_t slot : shape.SlotsOf(shape.Mix(hashes[std::min(i + kAhead, last)]))) {
      __builtin_prefetch(keys + slot, 1);
      __builtin_prefetch(marks + slot, 1);
    }
    const uint64_t h = shape.Mix(hashes[i]);
    const auto at = shape.SlotsOf(h);
    for (uint32_t k = 0; k < 3; ++k) {
      keys[at[k]] ^= h;
      const auto mark = static_cast<uint8_t>((marks[at[k]] + kOneKey) ^ k);
      marks[at[k]] = mark;
      overflow |= mark < kOneKey;
    }
  }
  return overflow == 0;
}

bool Peeling::Run(uint32_t seed, const std::vector<uint64_t>& hashes) {
  shape_.seed = seed;
  if (!Enter(hashes)) return false;
  const FilterShape shape = shape_;
  uint64_t* const keys = keys_.get();
  uint8_t* const marks = marks_.get();
  order_.resize(shape.slots + kAhead);
  uint32_t* const order = order_.data();
  size_t pushed = 0, peeled = 0;
  const auto push_if_alone = [&](uint32_t slot) {
    order[pushed] = slot;
    pushed += marks[slot] / kOneKey == 1 ? 1 : 0;
  };
  size_t next = 0;
  for (uint32_t from = 0; from < shape.slots;) {
    const uint32_t to = from + std::min(kStretch, shape.slots - from);
    for (; from < to; ++from) push_if_alone(from);
    for (; next < pushed; ++next) {
      __builtin_prefetch(keys + order[next + kAhead]);
      const uint32_t slot = order[next];
      if (marks[slot] / kOneKey != 1) continue;  // its key went by another slot
      const uint64_t h = keys[slot];
      const auto at = shape.SlotsOf(h);
      for (uint32_t k = 0; k < 3; ++k) {
        keys[at[k]] ^= h;
        marks[at[k]] = static_cast<uint8_t>((marks[at[k]] - kOneKey) ^ k);
        push_if_alone(at[k]);  // not `slot`: nobody is left there
      }
      keys[slot] = h;
      order[peeled++] = slot;
    }
  }
  order_.resize(peeled);
  return peeled == hashes.size();
}

// The key that was peeled last goes first: its other slots stay as they are from then on.
std::string Peeling::Filter() const {
  const FilterShape shape = shape_;
  std::string filter(SizeOf(shape), '\0');
  EncodeHeader(shape, filter.data());
  char* const bits = filter.data() + FilterShape::kHeaderSize;
  const uint64_t* const keys = keys_.get();
  const uint32_t* const order = order_.data();
  for (size_t i = order_.size(); i-- > 0;) {
    __builtin_prefetch(keys + order[i < kAhead ? 0 : i - kAhead]);
    const uint32_t slot = order[i];
    const uint64_t h = keys[slot];
    const auto at = shape.SlotsOf(h);
    // Its own slot is still 0.
    const uint32_t others = shape.Load(bits, at[0]) ^ shape.Load(bits, at[1]) ^ shape.Load(bits, at[2]);
    const uint32_t value = (FilterShape::Fingerprint(h) ^ others) & shape.Mask(slot);
    const uint64_t bit = shape.FirstBit(slot);
    EncodeFixed32(bits + bit / 8, DecodeFixed32(bits + bit / 8) | value << bit % 8);
  }
  return filter;
}

}  // namespace

size_t FilterSize(size_t keys, double bits_per_key) {
  if (keys == 0 || keys > kKeysMax || bits_per_key <= 0) return 0;
  const double bits_each = std::min(bits_per_key, kBitsPerKeyMax);
  double bits = static_cast<double>(keys) * bits_each;
  if (keys < kFewKeys) {
    const double slot_bits = std::ceil(Slots(keys).slots * kWidthShareMin * bits_each);
    bits = std::max(bits, slot_bits + 8 * kOverhead);
  }
  // The size of a block is a u32; past a billion keys in one table fingerprints get shorter.
  return static_cast<size_t>(std::min(bits / 8, static_cast<double>(std::numeric_limits<uint32_t>::max() / 2)));
}

double FilterFalsePositiveRate(size_t keys, size_t filter_size) {
  const FilterShape shape = ShapeFor(keys, filter_size);
  if (shape.slots == 0) return 1;
  const double window = shape.window();
  const double wide = std::max(0.0, window - shape.wide_from) / window;  // of all keys: those with one bit more
  return std::ldexp(1 - wide / 2, -static_cast<int>(shape.width));
}

std::string BuildFilter(const std::vector<uint64_t>& hashes, double bits_per_key) {
  const FilterShape shape = ShapeFor(hashes.size(), FilterSize(hashes.size(), bits_per_key));
  if (shape.slots == 0) return {};
  Peeling peeling(shape);
  std::vector<uint64_t> distinct;
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    if (seed == kSeedsBeforeSort) {  // perhaps some are equal: these share all slots with every seed
      distinct = hashes;
      std::sort(distinct.begin(), distinct.end());
      distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    }
    if (peeling.Run(seed, distinct.empty() ? hashes : distinct)) return peeling.Filter();
  }
  return {};
}

FilterReader::FilterReader(std::string_view bytes) {
  const auto shape = DecodeHeader(bytes);
  if (!shape.has_value()) return;
  bytes_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  size_ = bytes.size();
  shape_ = *shape;
}

}  // namespace varve::lsm
