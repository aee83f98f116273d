// bench/harness.h - what every benchmark needs: children that run one contender each, meters, histograms, a report.
//
// A benchmark compares contenders; the first one is ours. Each (contender, group of workloads) runs in a child process
// of its own, so that memory, CPU and I/O are its own, and the rounds are interleaved (A B C, B C A, C A B), so that a
// slow minute of the machine hits all of them. The report takes the median of the rounds, and shows the spread beside
// it. Threads: the parent has none of its own (it forks); everything else is for one thread unless it says otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace varve::bench {

// Prints the message and ends the process with code 1: a benchmark that cannot go on has no result.
[[noreturn]] void Fatal(const std::string& message);

inline uint64_t NowNanos() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

// ---- data
// ------------------------------------------------------------------------------------------------------------

// splitmix64: seeded, small, good enough to pick keys.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Uniform in [0, limit), limit < 2^32.
  uint64_t Below(uint64_t limit) { return ((Next() >> 32) * limit) >> 32; }

 private:
  uint64_t state_;
};

// A bijection of [0, count) without memory of its own, so that "in random order, each once" costs no RSS.
class Permutation {
 public:
  Permutation(uint64_t count, uint64_t seed);
  uint64_t operator()(uint64_t index) const;

 private:
  uint64_t count_;
  uint32_t half_bits_;
  uint64_t keys_[4];
};

// Values of one size, each of random bytes so many times over: of two copies zstd and snappy save about half.
class Values {
 public:
  explicit Values(size_t size, size_t copies = 2);
  std::string_view Next() {
    if (at_ + size_ > bytes_.size()) at_ = 0;
    std::string_view value(bytes_.data() + at_, size_);
    at_ += size_;
    return value;
  }

 private:
  const size_t size_;
  std::string bytes_;
  size_t at_ = 0;
};

// ---- meters
// ----------------------------------------------------------------------------------------------------------

// What this process has used since it began.
struct Usage {
  double wall_s = 0;
  double cpu_s = 0;  // all threads, user and system
  uint64_t written_bytes =
      0;  // pages made dirty, by write() or through a mapping: what goes to the device, but for deletions
  uint64_t device_read_bytes = 0;
};
Usage ReadUsage();
Usage operator-(const Usage& after, const Usage& before);

uint64_t PeakResidentBytes();  // since this process began
uint64_t DirectoryBytes(const std::string& dir);
// Looks every `window_ms` milliseconds until `busy` has said no `windows` times in a row, and returns when it last said
// yes, in nanoseconds (NowNanos): looks that found nothing are not charged to anybody. For what cannot be waited on:
// LevelDB and RocksDB 7.8 have no call that waits for compactions, and no file system tells when files are gone.
uint64_t WaitUntilQuiet(uint64_t window_ms, int windows, const std::function<bool()>& busy);
// The same once it does not change any more: engines remove what a compaction has replaced a moment after it.
uint64_t RestingDirectoryBytes(const std::string& dir);

// Counts of nanoseconds in buckets 1.6 % wide. Merge() joins the histograms of several threads.
class Histogram {
 public:
  void Add(uint64_t nanos) {
    ++buckets_[Index(nanos)];
    ++count_;
    if (nanos > max_) max_ = nanos;
  }
  void Merge(const Histogram& other);
  double PercentileMicros(double percent) const;
  double MaxMicros() const { return static_cast<double>(max_) / 1000; }
  uint64_t count() const { return count_; }

 private:
  static constexpr int kSubBits = 6;
  static constexpr size_t kBucketCount = (64 - kSubBits) << kSubBits;
  static size_t Index(uint64_t nanos) {
    if (nanos < (1u << kSubBits)) return static_cast<size_t>(nanos);
    int shift = 63 - __builtin_clzll(nanos) - kSubBits;
    return ((static_cast<size_t>(shift) + 1) << kSubBits) + ((nanos >> shift) & ((1u << kSubBits) - 1));
  }
  static uint64_t UpperBound(size_t index);

  std::vector<uint64_t> buckets_ = std::vector<uint64_t>(kBucketCount);
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

// ---- results
// ---------------------------------------------------------------------------------------------------------

enum class Better { kHigher, kLower };

struct Measurement {
  std::string workload;
  std::string metric;  // with its unit: "ops/s", "p99 us", "RSS MiB"
  Better better = Better::kHigher;
  double value = 0;
};

// Where a child puts what it measured.
class Sink {
 public:
  void Add(const std::string& workload, const std::string& metric, Better better, double value) {
    measurements_.push_back({workload, metric, better, value});
  }
  // p50, p99, p99.9 and max of `latencies`.
  void AddLatencies(const std::string& workload, const Histogram& latencies);
  const std::vector<Measurement>& measurements() const { return measurements_; }

 private:
  std::vector<Measurement> measurements_;
};

// A fresh directory below `parent`, removed when this process ends, after Fatal, Ctrl-C and SIGTERM, too. Once.
std::string MakeScratchDirectory(const std::string& parent);

// Runs `work` in a forked child and returns what it measured. Fatal when the child fails, or takes more than two hours:
// something hangs then.
std::vector<Measurement> RunInChild(const std::function<void(Sink&)>& work);

class Report {
 public:
  // `contenders[0]` is ours, the others are its peers.
  explicit Report(std::vector<std::string> contenders) : contenders_(std::move(contenders)) {}
  void Add(const std::string& contender, const std::vector<Measurement>& measurements);
  // The median over the rounds; NaN when there is none.
  double Median(const std::string& contender, const std::string& workload, const std::string& metric) const;
  // Our median against the peer's, above 1 when ours is better; NaN when one is missing.
  double PeerRatio(const std::string& peer, const std::string& workload, const std::string& metric) const;
  // Those that have this metric; empty: all. In the order of first sight.
  std::vector<std::string> Workloads(const std::string& metric) const;
  // One row for each workload and metric: our median and spread, each peer's, and the ratio (above 1: we are better).
  void PrintMarkdown(FILE* out) const;
  // The same as a list of {"workload", "peer", "metric", "ours", "theirs", "ratio"}.
  void WriteJson(const std::string& path) const;

 private:
  struct Row {
    std::string workload;
    std::string metric;
    Better better;
    std::map<std::string, std::vector<double>> values;  // by contender, one for each round
  };
  std::vector<std::string> contenders_;
  std::vector<Row> rows_;  // in the order of first sight
};

// The ratio that is above 1 when ours is better. 1 when both are zero.
double Ratio(Better better, double ours, double theirs);

// Four digits that matter, with k or M: "1.234 M", "56.78 k", "0.912".
std::string Short(double value);

// ---- the hardware's floors
// -------------------------------------------------------------------------------------------

struct Floors {
  double memcpy_gb_s = 0;       // 64 MiB at a time, one thread
  double memory_access_ns = 0;  // at random in 256 MiB, each waiting for the one before, mean
  double crc32c_gb_s = 0;       // ours, 8 KiB at a time
  double fdatasync_us = 0;      // of 4 KiB written over a preallocated file, median
  double cached_pread_us = 0;   // 4 KiB from the page cache, mean
};
// In a file of its own below `dir`, removed afterwards.
Floors MeasureFloors(const std::string& dir);
void PrintFloors(FILE* out, const Floors& floors);

}  // namespace varve::bench
