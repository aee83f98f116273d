// tests/fuzz/fuzz_input.h - a fuzzer's bytes as a source of choices: from front to back, zeros once they have run out.
//
// A fuzzer is one function, LLVMFuzzerTestOneInput, in a file of its own. What must hold is said by GoogleTest's
// EXPECT_*: under libFuzzer the first that does not hold ends the program (stop_at_failure.cc), in a replay it fails the
// test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace varve::fuzz {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::string_view Bytes(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // Little-endian.
  uint64_t Number(size_t bytes) {
    const std::string_view taken = Bytes(bytes);
    uint64_t number = 0;
    for (size_t i = taken.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(taken[i]);
    return number;
  }
  // One byte, or two when a byte does not reach so far.
  uint64_t Below(uint64_t limit) { return Number(limit <= 256 ? 1 : 2) % limit; }
  bool Flag() { return Below(2) != 0; }
  // A length of one byte, then so many.
  std::string_view Text() { return Bytes(Number(1)); }
  std::string_view Rest() { return Bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace varve::fuzz
