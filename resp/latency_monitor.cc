#include "resp/latency_monitor.h"

#include <algorithm>
#include <new>

#include "resp/numbers.h"

namespace varve::resp {

std::vector<LatencyMonitor::Sample> LatencyMonitor::Series::InOrder() const {
  std::vector<Sample> ordered;
  for (size_t i = 0; i < kSamples; i++) {
    const Sample& sample = samples[(next + i) % kSamples];
    if (sample.unix_seconds != 0) ordered.push_back(sample);
  }
  return ordered;
}

void LatencyMonitor::Add(std::string_view event, uint64_t latency_ms, int64_t unix_seconds) {
  auto found = series_.find(event);
  if (found == series_.end()) {
    try {
      found = series_.try_emplace(std::string(event)).first;
    } catch (const std::bad_alloc&) {  // what is watched goes on
      return;
    }
  }
  Series& series = found->second;
  series.highest_ms = std::max(series.highest_ms, latency_ms);
  Sample& latest = series.samples[(series.next + kSamples - 1) % kSamples];
  if (latest.unix_seconds == unix_seconds) {
    latest.latency_ms = std::max(latest.latency_ms, latency_ms);
    return;
  }
  series.samples[series.next] = {.unix_seconds = unix_seconds, .latency_ms = latency_ms};
  series.next = (series.next + 1) % kSamples;
}

size_t LatencyMonitor::Reset(std::string_view event) {
  return std::erase_if(series_, [&](const auto& item) { return event.empty() || EqualsIgnoreCase(item.first, event); });
}

const LatencyMonitor::Series* LatencyMonitor::Find(std::string_view event) const {
  auto found = series_.find(event);
  return found == series_.end() ? nullptr : &found->second;
}

}  // namespace varve::resp
