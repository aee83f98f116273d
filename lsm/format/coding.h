// lsm/format/coding.h - integers and strings as bytes, the same on every machine.
//
//   fixed32, fixed64   little-endian, 4 and 8 bytes
//   varint             7 bits a byte, least significant first; the high bit says that another byte follows:
//                      | 1xxxxxxx | 1xxxxxxx | 0xxxxxxx |     u32 takes 1..5 bytes, u64 takes 1..10
//   length-prefixed    | size : varint32 | bytes |
//
// Writers: Put* appends to a string, Encode* writes into a buffer that the caller made large enough and returns its
// end. Readers: Get* takes the value off the front of `*in` and returns false, with `*in` unchanged, when the bytes end
// too early or the number does not fit its type. No length is used before it is checked. Threads: functions without
// state.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace varve::lsm {

static_assert(std::endian::native == std::endian::little, "fixed integers are copied as they lie in memory");

inline constexpr size_t kVarint32SizeMax = 5;
inline constexpr size_t kVarint64SizeMax = 10;

inline void EncodeFixed32(char* dst, uint32_t v) {
  std::memcpy(dst, &v, sizeof v);
}
inline void EncodeFixed64(char* dst, uint64_t v) {
  std::memcpy(dst, &v, sizeof v);
}
inline uint32_t DecodeFixed32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline uint64_t DecodeFixed64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void PutFixed32(std::string* dst, uint32_t v) {
  dst->append(reinterpret_cast<const char*>(&v), sizeof v);
}
inline void PutFixed64(std::string* dst, uint64_t v) {
  dst->append(reinterpret_cast<const char*>(&v), sizeof v);
}
inline bool GetFixed32(std::string_view* in, uint32_t* v) {
  if (in->size() < sizeof *v) return false;
  *v = DecodeFixed32(in->data());
  in->remove_prefix(sizeof *v);
  return true;
}
inline bool GetFixed64(std::string_view* in, uint64_t* v) {
  if (in->size() < sizeof *v) return false;
  *v = DecodeFixed64(in->data());
  in->remove_prefix(sizeof *v);
  return true;
}

// How many bytes the varint of `v` takes: 1..10.
inline constexpr size_t VarintLength(uint64_t v) {
  return (static_cast<size_t>(std::bit_width(v | 1)) + 6) / 7;
}

// Needs kVarint64SizeMax bytes at `dst`, or VarintLength(v) when known.
inline char* EncodeVarint64(char* dst, uint64_t v) {
  while (v >= 0x80) {
    *dst++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *dst++ = static_cast<char>(v);
  return dst;
}
inline char* EncodeVarint32(char* dst, uint32_t v) {
  return EncodeVarint64(dst, v);
}
inline void PutVarint64(std::string* dst, uint64_t v) {
  char buffer[kVarint64SizeMax];
  dst->append(buffer, static_cast<size_t>(EncodeVarint64(buffer, v) - buffer));
}
inline void PutVarint32(std::string* dst, uint32_t v) {
  PutVarint64(dst, v);
}

// The decoders over raw pointers: the byte after the varint, or null when [p, limit) does not start with one.
inline const char* DecodeVarint64(const char* p, const char* limit, uint64_t* v) {
  uint64_t result = 0;
  for (int shift = 0; p < limit && shift <= 63; shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(*p++);
    if (byte < 0x80) {
      if (shift == 63 && byte > 1) return nullptr;  // more than 64 bits
      *v = result | byte << shift;
      return p;
    }
    result |= (byte & 0x7f) << shift;
  }
  return nullptr;
}
inline const char* DecodeVarint32(const char* p, const char* limit, uint32_t* v) {
  if (p < limit && static_cast<unsigned char>(*p) < 0x80) {  // most lengths are short
    *v = static_cast<unsigned char>(*p);
    return p + 1;
  }
  uint64_t wide;
  p = DecodeVarint64(p, limit, &wide);
  if (p == nullptr || wide > std::numeric_limits<uint32_t>::max()) return nullptr;
  *v = static_cast<uint32_t>(wide);
  return p;
}

inline bool GetVarint64(std::string_view* in, uint64_t* v) {
  const char* next = DecodeVarint64(in->data(), in->data() + in->size(), v);
  if (next == nullptr) return false;
  in->remove_prefix(static_cast<size_t>(next - in->data()));
  return true;
}
inline bool GetVarint32(std::string_view* in, uint32_t* v) {
  const char* next = DecodeVarint32(in->data(), in->data() + in->size(), v);
  if (next == nullptr) return false;
  in->remove_prefix(static_cast<size_t>(next - in->data()));
  return true;
}

inline void PutLengthPrefixed(std::string* dst, std::string_view bytes) {
  PutVarint32(dst, static_cast<uint32_t>(bytes.size()));
  dst->append(bytes);
}
// `*out` borrows the bytes of `*in`.
inline bool GetLengthPrefixed(std::string_view* in, std::string_view* out) {
  std::string_view rest = *in;
  uint32_t size;
  if (!GetVarint32(&rest, &size) || size > rest.size()) return false;
  *out = rest.substr(0, size);
  rest.remove_prefix(size);
  *in = rest;
  return true;
}

// How many bytes both begin with.
inline size_t SharedPrefix(std::string_view a, std::string_view b) {
  const size_t limit = a.size() < b.size() ? a.size() : b.size();
  size_t i = 0;
  for (; i + 8 <= limit; i += 8) {
    const uint64_t difference = DecodeFixed64(a.data() + i) ^ DecodeFixed64(b.data() + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (i < limit && a[i] == b[i]) ++i;
  return i;
}

}  // namespace varve::lsm
