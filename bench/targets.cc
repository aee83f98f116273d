#include "bench/targets.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace varve::bench {
namespace {

// What one unit of the metric needs at the least, for as many operations as `per_unit` says (a billion bytes for GB/s).
struct Work {
  double accesses = 0;  // to memory, each waiting for the one before
  double copied_bytes = 0;
  double syncs = 0;
  double per_unit = 1;
};

// What is wanted; 0: nothing of that kind.
struct Bounds {
  double rocksdb = 0, leveldb = 0;  // least ratios
  double least = 0, most = 0;       // of our own figure
};

struct Target {
  std::string_view workload;  // empty: every group
  std::string_view metric;
  Bounds wanted;
  Work work = {};
};

constexpr double kEntry = 116;                                      // bytes
constexpr Work kSequentialPut = {.copied_bytes = 2 * kEntry};       // into the log and the memtable
constexpr Work kPut = {.accesses = 1, .copied_bytes = 2 * kEntry};  // and its place in the memtable is found
constexpr Work kGet = {.accesses = 1};                              // to a row, which nobody has to copy
constexpr std::string_view kSteady = "overwrite, steady";
constexpr std::string_view kPaced = "writes at 70 % of peak";
constexpr std::string_view kSustained = "50,000 writes/s of 1 KiB beside reads";
constexpr double kYcsbMean = 1.3;  // geometric mean of the six ratios to RocksDB

const Target kTargets[] = {
    {"fillseq", "ops/s", {.rocksdb = 2.5, .leveldb = 1.5}, kSequentialPut},
    {"fillrandom", "ops/s", {.rocksdb = 2.5, .leveldb = 1.5}, kPut},
    {"fillrandom, batches of 100, 4 threads", "ops/s", {.rocksdb = 2, .leveldb = 3}, kPut},
    {"fillsync", "ops/s", {.rocksdb = 1, .leveldb = 1.3}, {.syncs = 1}},
    {"fillsync, 16 threads", "ops/s", {.rocksdb = 1, .leveldb = 4}, {.syncs = 1.0 / 16}},
    {"readseq", "ops/s", {.rocksdb = 2, .leveldb = 1.3}, {.copied_bytes = kEntry}},
    {"readreverse", "ops/s", {.rocksdb = 2.5, .leveldb = 2}, {.copied_bytes = kEntry}},
    {"readrandom", "ops/s", {.rocksdb = 2, .leveldb = 1.5}, kGet},
    {"readmissing", "ops/s", {.rocksdb = 1.5, .leveldb = 3}, kGet},
    {"readmissing", "false block reads per key", {.most = 0.02}},
    {"readmissing", "filter bits per key", {.most = 10.05}},     // 10, but for whole cache lines
    {"multiget32", "ops/s", {.rocksdb = 2}, {.accesses = 0.1}},  // a core has some ten under way at a time
    {"seekrandom10", "ops/s", {.rocksdb = 1.7, .leveldb = 1.7}, kGet},
    {"readwhilewriting", "reads/s", {.rocksdb = 2}, kGet},
    {"readwhilewriting", "p99 us", {.rocksdb = 1 / 0.5}},
    {"ycsb A", "ops/s", {.rocksdb = 1}, {.accesses = 1, .copied_bytes = 1000}},
    {"ycsb B", "ops/s", {.rocksdb = 1}, kGet},
    {"ycsb C", "ops/s", {.rocksdb = 1}, kGet},
    {"ycsb D", "ops/s", {.rocksdb = 1}, kGet},
    {"ycsb E", "ops/s", {.rocksdb = 1}, kGet},
    {"ycsb F", "ops/s", {.rocksdb = 1}, {.accesses = 1, .copied_bytes = 1000}},
    {kSteady, "ops/s", {.rocksdb = 1.3, .leveldb = 2}, kPut},
    {kSteady, "bytes written per byte", {.rocksdb = 1 / 1.0}},
    {kSteady, "space amplification", {.most = 1.12}},
    {kSteady, "space amplification, worst", {.most = 1.25}},
    {"overwrite, steady, 4 KiB values", "bytes written per byte", {.rocksdb = 1 / 0.4}},
    {kPaced, "p99.9 us", {.rocksdb = 1 / 0.3}},
    {kPaced, "longest single wait ms", {.most = 50}},
    {kSustained, "writes/s", {.least = 49'950}},  // 50,000, but for those due in the last moment
    {kSustained, "read p99 us", {.most = 5000}},
    {"readbeyond", "share of the device", {.least = 0.8}},
    {"readbeyond, 32", "share of the device", {.least = 0.8}},
    {"open clean", "ms", {.most = 50}},
    {"log replay", "GB/s", {.least = 0.4}, {.accesses = 1 / kEntry, .copied_bytes = 2, .per_unit = 1e9}},
    {"compaction, 100 B values", "MB/s per core", {.least = 250}, {.copied_bytes = 2, .per_unit = 1e6}},
    {"compaction, 400 B values", "MB/s per core", {.least = 500}, {.copied_bytes = 2, .per_unit = 1e6}},
    {"", "peak RSS over the budget", {.most = 1.10}},
};

// A bound as one would write it: "2.5", "50", "49950".
std::string Plain(double bound) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", bound);
  return text;
}

double FloorShare(const Work& work, const Floors& floors, double value) {
  const double seconds = work.accesses * floors.memory_access_ns / 1e9 +
                         work.copied_bytes / (floors.memcpy_gb_s * 1e9) + work.syncs * floors.fdatasync_us / 1e6;
  return seconds * work.per_unit * value;
}

// Prints the rows of one target, for one workload.
class TargetTable {
 public:
  TargetTable(FILE* out, const Report& report, const std::vector<std::string>& contenders, const Floors& floors)
      : out_(out), report_(report), contenders_(contenders), floors_(floors) {
    std::fprintf(out_, "| workload | metric | against | wanted | measured | | %s: share of the floor |\n",
                 Ours().c_str());
    std::fprintf(out_, "|---|---|---|--:|--:|---|--:|\n");
  }

  void Print(const std::string& workload, const Target& target) {
    const std::string metric(target.metric);
    const double ours = report_.Median(Ours(), workload, metric);
    const double share = FloorShare(target.work, floors_, ours);
    PrintRatio(workload, metric, "rocksdb-tuned", target.wanted.rocksdb, share);
    PrintRatio(workload, metric, "leveldb", target.wanted.leveldb, share);
    if (target.wanted.least > 0)
      PrintRow(workload, metric, "-", ">= " + Plain(target.wanted.least), ours, ours >= target.wanted.least, share);
    if (target.wanted.most > 0)
      PrintRow(workload, metric, "-", "<= " + Plain(target.wanted.most), ours, ours <= target.wanted.most, share);
  }

  void PrintYcsbMean() {
    double logarithms = 0;
    for (char letter = 'A'; letter <= 'F'; ++letter) {
      logarithms += std::log(report_.PeerRatio("rocksdb-tuned", std::string("ycsb ") + letter, "ops/s"));
    }
    const double mean = std::exp(logarithms / 6);
    if (std::isnan(mean)) return;  // one of the six was not measured
    PrintRow("ycsb A to F", "ops/s, geometric mean", "rocksdb-tuned", ">= " + Plain(kYcsbMean) + "x", mean,
             mean >= kYcsbMean, 0);
  }

 private:
  const std::string& Ours() const { return contenders_[0]; }

  void PrintRatio(const std::string& workload, const std::string& metric, const std::string& peer, double least,
                  double share) {
    if (least == 0 || std::find(contenders_.begin() + 1, contenders_.end(), peer) == contenders_.end()) return;
    const double ratio = report_.PeerRatio(peer, workload, metric);
    PrintRow(workload, metric, peer, ">= " + Plain(least) + "x", ratio, ratio >= least, share);
  }

  void PrintRow(const std::string& workload, const std::string& metric, const std::string& against,
                const std::string& wanted, double measured, bool met, double share) {
    const std::string percent = share > 0 ? Short(share * 100) + " %" : "";
    std::fprintf(out_, "| %s | %s | %s | %s | %s | %s | %s |\n", workload.c_str(), metric.c_str(), against.c_str(),
                 wanted.c_str(), std::isnan(measured) ? "-" : Short(measured).c_str(),
                 std::isnan(measured) ? "not measured"
                 : met                ? "met"
                                      : "**missed**",
                 percent.c_str());
  }

  FILE* const out_;
  const Report& report_;
  const std::vector<std::string>& contenders_;
  const Floors& floors_;
};

}  // namespace

void CheckTargets(const std::vector<std::string>& workloads) {
  for (const Target& target : kTargets) {
    if (target.workload.empty()) continue;
    if (std::find(workloads.begin(), workloads.end(), target.workload) == workloads.end()) {
      Fatal("a target names no workload: " + std::string(target.workload));
    }
  }
}

void PrintTargets(FILE* out, const Report& report, const std::vector<std::string>& contenders, const Floors& floors) {
  TargetTable table(out, report, contenders, floors);
  for (const Target& target : kTargets) {
    const bool everywhere = target.workload.empty();
    for (const std::string& workload : report.Workloads(everywhere ? std::string(target.metric) : "")) {
      if (everywhere || workload == target.workload) table.Print(workload, target);
    }
  }
  table.PrintYcsbMean();
}

}  // namespace varve::bench
