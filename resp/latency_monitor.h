// resp/latency_monitor.h - LATENCY's time series: for each kind of event, when it took longer than the threshold.
//
// The kinds are ours: "command", "fast-command" (those flagged so), "expire-cycle", "aof-write" (a commit to the log);
// so the map stays small. A series keeps kSamples samples, at most one a second: the worst. Latencies are milliseconds.
// Threads: the executor's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace varve::resp {

class LatencyMonitor {
 public:
  static constexpr size_t kSamples = 160;

  struct Sample {
    int64_t unix_seconds = 0;  // 0: none yet
    uint64_t latency_ms = 0;
  };
  struct Series {
    std::array<Sample, kSamples> samples;
    size_t next = 0;
    uint64_t highest_ms = 0;  // of all times

    // The oldest first.
    std::vector<Sample> InOrder() const;
    const Sample& latest() const { return samples[(next + kSamples - 1) % kSamples]; }
  };

  void Add(std::string_view event, uint64_t latency_ms, int64_t unix_seconds);
  // Series forgotten: that of this name (any case), or all when it is empty.
  size_t Reset(std::string_view event);
  const Series* Find(std::string_view event) const;
  const std::map<std::string, Series, std::less<>>& series() const { return series_; }

 private:
  std::map<std::string, Series, std::less<>> series_;
};

}  // namespace varve::resp
