// bench/plan.h - what the workloads of bench_engine share: how much they do, and the keys they do it to.
//
// Keys are 16 decimal digits; only even numbers are ever written, so an odd one is missing and still lies in the range
// of every table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "bench/harness.h"

namespace varve::bench {

inline constexpr size_t kKeySize = 16;
inline constexpr size_t kValueSize = 100;
inline constexpr size_t kEntrySize = kKeySize + kValueSize;
inline constexpr size_t kBatchEntries = 100;

struct Plan {
  uint64_t num = 0;              // entries
  uint64_t reads = 0;            // operations of each random-read workload
  uint64_t syncs = 0;            // operations of fillsync
  double mixed_seconds = 0;      // of readwhilewriting
  double paced_seconds = 0;      // of the writes at 70 % of peak
  double sustained_seconds = 0;  // of the writes at a fixed rate beside reads
  uint64_t open_bytes = 0;       // keys and values in the database that is opened
  uint64_t log_bytes = 0;        // keys and values in the log that is replayed
  uint64_t seed = 0;             // differs from round to round, not from engine to engine
  std::set<std::string> workloads;
  bool Wants(const std::string& workload) const { return workloads.count(workload) > 0; }
  // As many entries of another size as hold the bytes of `num` usual ones.
  uint64_t EntriesOf(size_t entry_size) const { return num * kEntrySize / entry_size; }
};

// A key in a buffer of its own; valid until the next call.
class KeyBuffer {
 public:
  std::string_view operator()(uint64_t number) {
    for (size_t i = kKeySize; i-- > 0; number /= 10) bytes_[i] = static_cast<char>('0' + number % 10);
    return {bytes_, kKeySize};
  }

 private:
  char bytes_[kKeySize];
};

inline uint64_t Present(uint64_t index) {
  return 2 * index;
}
inline uint64_t Missing(uint64_t index) {
  return 2 * index + 1;
}

inline double MiB(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

// Ends one operation and begins the next with a single look at the clock.
inline uint64_t Lap(uint64_t before, Histogram* latencies) {
  const uint64_t now = NowNanos();
  latencies->Add(now - before);
  return now;
}

}  // namespace varve::bench
