// resp/latency_histogram.h - how long a command took, counted in buckets two significant digits wide.
//
//   bucket 0       0 .. 255 ns, one counter for each
//   bucket b > 0   128 counters for 2^(b+7) .. 2^(b+8) - 1 ns, each 2^b ns wide
//
// As Redis counts, so that percentiles and LATENCY HISTOGRAM come out alike: from 1 ns to 1 s, longer counts as 1 s.
// Memory: 24 KiB, from the first call on; a call that finds none is not counted. Threads: the executor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace varve::resp {

class LatencyHistogram {
 public:
  void Record(uint64_t nanos);
  void Clear() {
    std::vector<uint64_t>().swap(counts_);
    total_ = 0;
  }
  uint64_t total() const { return total_; }
  // The longest that so many percent of the calls took, in ns; 0 without calls.
  uint64_t AtPercentile(double percentile) const;
  // Calls that took at most so many microseconds, for bounds that double from 1 on; a bound without further calls is
  // left out.
  void ForEachBound(const std::function<void(uint64_t micros, uint64_t calls)>& visit) const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
};

}  // namespace varve::resp
