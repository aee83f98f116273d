#include "keyspace/bitmap.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace varve::keyspace {
namespace {

constexpr size_t kWordSize = sizeof(uint64_t);

uint64_t LoadWord(const char* from) {
  uint64_t word;
  memcpy(&word, from, kWordSize);
  return word;
}

void StoreWord(char* to, uint64_t word) {
  memcpy(to, &word, kWordSize);
}

// The first bit of the bytes becomes the number's highest.
uint64_t LoadBigEndian(const char* from) {
  return __builtin_bswap64(LoadWord(from));
}

uint8_t ByteAt(std::string_view bytes, uint64_t index) {
  return static_cast<uint8_t>(bytes[index]);
}

// Of one byte, the bits [first, limit) of 0 to 8.
uint8_t ByteMask(unsigned first, unsigned limit) {
  return static_cast<uint8_t>((0xffu >> first) & ~(0xffu >> limit));
}

uint64_t CountWholeBytes(std::string_view bytes) {
  uint64_t count = 0;
  size_t at = 0;
  for (; at + kWordSize <= bytes.size(); at += kWordSize) {
    count += static_cast<uint64_t>(std::popcount(LoadWord(bytes.data() + at)));
  }
  for (; at < bytes.size(); at++) count += static_cast<uint64_t>(std::popcount(ByteAt(bytes, at)));
  return count;
}

template <typename Combine>
void CombineWith(std::string_view other, std::string* bytes, Combine combine) {
  const size_t common = std::min(bytes->size(), other.size());
  char* to = bytes->data();
  size_t at = 0;
  for (; at + kWordSize <= common; at += kWordSize) {
    StoreWord(to + at, combine(LoadWord(to + at), LoadWord(other.data() + at)));
  }
  for (; at < common; at++) {
    to[at] = static_cast<char>(combine(static_cast<uint8_t>(to[at]), ByteAt(other, at)));
  }
}

}  // namespace

uint64_t CountBits(std::string_view bytes, uint64_t first, uint64_t limit) {
  assert(limit <= uint64_t{8} * bytes.size());
  if (first >= limit) return 0;
  const uint64_t first_byte = first / 8;
  const uint64_t last_byte = (limit - 1) / 8;
  const unsigned head = static_cast<unsigned>(first % 8);
  const unsigned tail = static_cast<unsigned>((limit - 1) % 8) + 1;
  if (first_byte == last_byte) {
    return static_cast<uint64_t>(std::popcount<uint8_t>(ByteAt(bytes, first_byte) & ByteMask(head, tail)));
  }
  const int ends = std::popcount<uint8_t>(ByteAt(bytes, first_byte) & ByteMask(head, 8)) +
                   std::popcount<uint8_t>(ByteAt(bytes, last_byte) & ByteMask(0, tail));
  return static_cast<uint64_t>(ends) + CountWholeBytes(bytes.substr(first_byte + 1, last_byte - first_byte - 1));
}

// Looks for a set bit in the bytes, inverted when a clear one is wanted.
uint64_t FindBit(std::string_view bytes, bool bit, uint64_t first, uint64_t limit) {
  assert(limit <= uint64_t{8} * bytes.size());
  const uint64_t invert = bit ? 0 : ~uint64_t{0};
  uint64_t at = first;
  while (at < limit) {
    const uint64_t byte = at / 8;
    uint64_t found = kNoBit;
    if (at % 8 == 0 && byte + kWordSize <= bytes.size()) {
      const uint64_t word = LoadBigEndian(bytes.data() + byte) ^ invert;
      if (word != 0) found = at + static_cast<uint64_t>(std::countl_zero(word));
      at += 8 * kWordSize;
    } else {
      const uint8_t rest = static_cast<uint8_t>(ByteAt(bytes, byte) ^ invert) & ByteMask(at % 8, 8);
      if (rest != 0) found = byte * 8 + static_cast<uint64_t>(std::countl_zero(rest));
      at = (byte + 1) * 8;
    }
    if (found != kNoBit) return found < limit ? found : kNoBit;
  }
  return kNoBit;
}

uint64_t LoadBits(std::string_view bytes, uint64_t place, unsigned width) {
  assert(width >= 1 && width <= 64);
  // 64 bits that start inside a byte touch nine.
  const uint64_t byte = place / 8;
  const unsigned head = static_cast<unsigned>(place % 8);
  char nine[kWordSize + 1] = {};
  if (byte < bytes.size()) memcpy(nine, bytes.data() + byte, std::min<size_t>(sizeof(nine), bytes.size() - byte));
  uint64_t word = LoadBigEndian(nine);
  if (head != 0) word = word << head | static_cast<uint8_t>(nine[kWordSize]) >> (8 - head);
  return word >> (64 - width);
}

void StoreBits(std::string* bytes, uint64_t place, unsigned width, uint64_t value) {
  assert(width >= 1 && width <= 64 && place + width <= uint64_t{8} * bytes->size());
  uint64_t at = place + width;  // from the last byte to the first
  while (at > place) {
    const uint64_t byte = (at - 1) / 8;
    const uint64_t start = std::max(place, byte * 8);
    const unsigned head = static_cast<unsigned>(start - byte * 8);
    const unsigned tail = static_cast<unsigned>(at - byte * 8);
    const uint8_t mask = ByteMask(head, tail);
    const uint8_t shifted = static_cast<uint8_t>(value << (8 - tail));
    (*bytes)[byte] = static_cast<char>((ByteAt(*bytes, byte) & ~mask) | (shifted & mask));
    value >>= (tail - head);
    at = start;
  }
}

void CombineBits(BitOperation operation, std::string_view other, std::string* bytes) {
  const size_t common = std::min(bytes->size(), other.size());
  const size_t old_size = bytes->size();
  switch (operation) {
    case BitOperation::kAnd:
      CombineWith(other, bytes, [](auto a, auto b) { return a & b; });
      std::fill(bytes->begin() + static_cast<std::ptrdiff_t>(common), bytes->end(), '\0');
      bytes->resize(std::max(old_size, other.size()), '\0');
      return;
    case BitOperation::kOr: CombineWith(other, bytes, [](auto a, auto b) { return a | b; }); break;
    case BitOperation::kXor: CombineWith(other, bytes, [](auto a, auto b) { return a ^ b; }); break;
  }
  if (other.size() > old_size) bytes->append(other.substr(old_size));
}

void InvertBits(std::string* bytes) {
  char* to = bytes->data();
  size_t at = 0;
  for (; at + kWordSize <= bytes->size(); at += kWordSize) StoreWord(to + at, ~LoadWord(to + at));
  for (; at < bytes->size(); at++) to[at] = static_cast<char>(~to[at]);
}

}  // namespace varve::keyspace
