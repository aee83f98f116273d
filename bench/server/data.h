// bench/server/data.h - the keys and values that the client of the server's benchmark writes and expects.
//
// Keys are those of redis-benchmark -r: "key:" and twelve decimal digits. A key's value never changes, so that every
// reply can be checked without memory for what was written; its second half repeats the first, which is random, so that
// a compressor saves about half. Threads: free functions, no state.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/harness.h"

namespace varve::bench {

inline constexpr size_t kServerKeySize = 16;

inline void AppendKey(uint64_t number, std::string* out) {
  char key[kServerKeySize + 1] = "key:000000000000";
  for (size_t i = kServerKeySize; i > 4; number /= 10) key[--i] = static_cast<char>('0' + number % 10);
  out->append(key, kServerKeySize);
}

inline void AppendValue(uint64_t number, size_t size, std::string* out) {
  const size_t half = (size + 1) / 2, begin = out->size();
  Random random(number);
  for (size_t left = half; left > 0;) {
    const uint64_t bytes = random.Next();
    const size_t some = std::min(left, sizeof bytes);
    out->append(reinterpret_cast<const char*>(&bytes), some);
    left -= some;
  }
  out->append(*out, begin, size - half);
}

// As they travel.
inline void AppendBulk(const std::string& text, std::string* out) {
  *out += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

inline void AppendGet(uint64_t number, std::string* out) {
  *out += "*2\r\n$3\r\nGET\r\n$16\r\n";
  AppendKey(number, out);
  *out += "\r\n";
}

// With a time to expire, in milliseconds since 1970, unless that is 0.
inline void AppendSet(uint64_t number, size_t value_size, std::string* out, uint64_t expire_ms = 0) {
  *out += expire_ms == 0 ? "*3\r\n$3\r\nSET\r\n$16\r\n" : "*5\r\n$3\r\nSET\r\n$16\r\n";
  AppendKey(number, out);
  *out += "\r\n$" + std::to_string(value_size) + "\r\n";
  AppendValue(number, value_size, out);
  *out += "\r\n";
  if (expire_ms == 0) return;
  AppendBulk("PXAT", out);
  AppendBulk(std::to_string(expire_ms), out);
}

// The reply to a GET.
inline void AppendGetReply(uint64_t number, size_t value_size, std::string* out) {
  *out += "$" + std::to_string(value_size) + "\r\n";
  AppendValue(number, value_size, out);
  *out += "\r\n";
}

}  // namespace varve::bench
