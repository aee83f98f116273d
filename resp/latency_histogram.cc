#include "resp/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <new>

namespace varve::resp {
namespace {

constexpr uint64_t kNanosMax = 1'000'000'000;
constexpr size_t kHalf = 128;  // counters of a bucket
constexpr uint64_t kFirstBoundNanos = 1024;

constexpr size_t BucketOf(uint64_t nanos) {
  return static_cast<size_t>(std::bit_width(nanos | (2 * kHalf - 1))) - 8;
}
constexpr size_t IndexOf(uint64_t nanos) {
  return BucketOf(nanos) * kHalf + (nanos >> BucketOf(nanos));
}
constexpr size_t kCounters = IndexOf(kNanosMax) + 1;

// The longest time that is counted where this one is.
constexpr uint64_t LongestBeside(uint64_t nanos) {
  return (((nanos >> BucketOf(nanos)) + 1) << BucketOf(nanos)) - 1;
}
static_assert(LongestBeside(1000) == 1003 && IndexOf(255) == 255 && IndexOf(256) == 256);

// The longest time of the counter at `index`.
constexpr uint64_t LongestAt(size_t index) {
  const size_t bucket = index < 2 * kHalf ? 0 : index / kHalf - 1;
  return ((index - bucket * kHalf + 1) << bucket) - 1;
}
static_assert(LongestAt(IndexOf(1000)) == 1003 && LongestAt(5) == 5);

}  // namespace

void LatencyHistogram::Record(uint64_t nanos) {
  if (counts_.empty()) {
    try {
      counts_.resize(kCounters);
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  counts_[IndexOf(std::clamp<uint64_t>(nanos, 1, kNanosMax))]++;
  total_++;
}

uint64_t LatencyHistogram::AtPercentile(double percentile) const {
  if (total_ == 0) return 0;
  const double share = std::clamp(percentile, 0.0, 100.0) / 100 * static_cast<double>(total_) + 0.5;
  const uint64_t wanted = std::max<uint64_t>(static_cast<uint64_t>(share), 1);
  uint64_t calls = 0;
  for (size_t i = 0; i < counts_.size(); i++) {
    calls += counts_[i];
    if (calls >= wanted) return LongestAt(i);
  }
  return kNanosMax;
}

void LatencyHistogram::ForEachBound(const std::function<void(uint64_t, uint64_t)>& visit) const {
  uint64_t calls = 0;
  size_t at = 0;
  for (uint64_t bound = kFirstBoundNanos; at < counts_.size(); bound *= 2) {
    const uint64_t before = calls;
    const size_t end = std::min(IndexOf(bound) + 1, counts_.size());
    for (; at < end; at++) calls += counts_[at];
    if (calls > before) visit(LongestBeside(bound) / 1000, calls);
  }
}

}  // namespace varve::resp
